// One-dimensional transforms of Winograd's F(4×4, 3×3), over lines of contiguous channels.
//
// In C because of one word that Swift lacks: `assume_safety`. The lines that a transform writes lie at distances known only at run time, so the
// optimiser guards the loop with overlap checks, lifts them out of the loop over tiles, finds the spans of whole planes interleaved, and runs
// one channel at a time (measured: such transforms took 40 % of a convolution's time).
#pragma once
#include <stddef.h>

#define WINOGRAD_FUSED _Pragma("clang fp contract(fast)")
#define WINOGRAD_LOOP _Pragma("clang loop vectorize(assume_safety) interleave(enable)")

/// Bᵀ on six values a channel; results are `stride` floats apart.
static inline void winograd_input_line(
    const float *d0, const float *d1, const float *d2, const float *d3, const float *d4, const float *d5, float *out, ptrdiff_t stride,
    ptrdiff_t count) {
    WINOGRAD_FUSED
    float *o1 = out + stride, *o2 = out + 2 * stride, *o3 = out + 3 * stride, *o4 = out + 4 * stride, *o5 = out + 5 * stride;
    WINOGRAD_LOOP
    for (ptrdiff_t c = 0; c < count; c++) {
        float a = d4[c] - 4 * d2[c], b = d3[c] - 4 * d1[c];
        float p = d4[c] - d2[c], q = 2 * (d3[c] - d1[c]);
        out[c] = 4 * d0[c] + (d4[c] - 5 * d2[c]);
        o1[c] = a + b;
        o2[c] = a - b;
        o3[c] = p + q;
        o4[c] = p - q;
        o5[c] = 4 * d1[c] + (d5[c] - 5 * d3[c]);
    }
}

/// Aᵀ on six values a channel, `stride` floats apart.
static inline void winograd_output_line(const float *m, ptrdiff_t stride, float *out, ptrdiff_t target_stride, ptrdiff_t count) {
    WINOGRAD_FUSED
    const float *m1 = m + stride, *m2 = m + 2 * stride, *m3 = m + 3 * stride, *m4 = m + 4 * stride, *m5 = m + 5 * stride;
    float *o1 = out + target_stride, *o2 = out + 2 * target_stride, *o3 = out + 3 * target_stride;
    WINOGRAD_LOOP
    for (ptrdiff_t c = 0; c < count; c++) {
        float sum = m1[c] + m2[c], difference = m1[c] - m2[c];
        float outer_sum = m3[c] + m4[c], outer_difference = m3[c] - m4[c];
        out[c] = m[c] + sum + outer_sum;
        o1[c] = difference + 2 * outer_difference;
        o2[c] = sum + 4 * outer_sum;
        o3[c] = difference + 8 * outer_difference + m5[c];
    }
}

/// A on four values a channel.
static inline void winograd_gradient_line(
    const float *y0, const float *y1, const float *y2, const float *y3, float *out, ptrdiff_t stride, ptrdiff_t count) {
    WINOGRAD_FUSED
    float *o1 = out + stride, *o2 = out + 2 * stride, *o3 = out + 3 * stride, *o4 = out + 4 * stride, *o5 = out + 5 * stride;
    WINOGRAD_LOOP
    for (ptrdiff_t c = 0; c < count; c++) {
        float even = y0[c] + y2[c], odd = y1[c] + y3[c];
        float wide_even = y0[c] + 4 * y2[c], wide_odd = 2 * (y1[c] + 4 * y3[c]);
        out[c] = y0[c];
        o1[c] = even + odd;
        o2[c] = even - odd;
        o3[c] = wide_even + wide_odd;
        o4[c] = wide_even - wide_odd;
        o5[c] = y3[c];
    }
}

/// a·g₀ + b·g₁ + c·g₂, the three `stride` floats apart: one row of G.
static inline void winograd_weight_row(float a, float b, float c, const float *g, ptrdiff_t stride, float *out, ptrdiff_t count) {
    WINOGRAD_FUSED
    const float *g1 = g + stride, *g2 = g + 2 * stride;
    WINOGRAD_LOOP
    for (ptrdiff_t i = 0; i < count; i++) out[i] = a * g[i] + (b * g1[i] + c * g2[i]);
}

/// G on three values, `stride` floats apart.
static inline void winograd_weight_line(const float *g, ptrdiff_t stride, float *out, ptrdiff_t target_stride, ptrdiff_t count) {
    WINOGRAD_FUSED
    const float *g1 = g + stride, *g2 = g + 2 * stride;
    float *o1 = out + target_stride, *o2 = out + 2 * target_stride, *o3 = out + 3 * target_stride;
    float *o4 = out + 4 * target_stride, *o5 = out + 5 * target_stride;
    WINOGRAD_LOOP
    for (ptrdiff_t i = 0; i < count; i++) {
        float outer = g[i] + g2[i], wide = g[i] + 4 * g2[i];
        out[i] = 0.25f * g[i];
        o1[i] = (outer + g1[i]) * (-1.0f / 6);
        o2[i] = (outer - g1[i]) * (-1.0f / 6);
        o3[i] = (wide + 2 * g1[i]) * (1.0f / 24);
        o4[i] = (wide - 2 * g1[i]) * (1.0f / 24);
        o5[i] = g2[i];
    }
}

/// Gᵀ on six values, `stride` floats apart; `keep` 1 adds to what is there, 0 overwrites it.
static inline void winograd_weight_gradient_line(
    const float *u, ptrdiff_t stride, float keep, float *out, ptrdiff_t target_stride, ptrdiff_t count) {
    WINOGRAD_FUSED
    const float *u1 = u + stride, *u2 = u + 2 * stride, *u3 = u + 3 * stride, *u4 = u + 4 * stride, *u5 = u + 5 * stride;
    float *o1 = out + target_stride, *o2 = out + 2 * target_stride;
    if (keep != 0) {
        WINOGRAD_LOOP
        for (ptrdiff_t i = 0; i < count; i++) {
            float inner = (u1[i] + u2[i]) * (-1.0f / 6), inner_difference = (u2[i] - u1[i]) * (1.0f / 6);
            float outer = u3[i] + u4[i], outer_difference = u3[i] - u4[i];
            out[i] += 0.25f * u[i] + ((1.0f / 24) * outer + inner);
            o1[i] += (1.0f / 12) * outer_difference + inner_difference;
            o2[i] += (1.0f / 6) * outer + inner + u5[i];
        }
    } else {
        WINOGRAD_LOOP
        for (ptrdiff_t i = 0; i < count; i++) {
            float inner = (u1[i] + u2[i]) * (-1.0f / 6), inner_difference = (u2[i] - u1[i]) * (1.0f / 6);
            float outer = u3[i] + u4[i], outer_difference = u3[i] - u4[i];
            out[i] = 0.25f * u[i] + ((1.0f / 24) * outer + inner);
            o1[i] = (1.0f / 12) * outer_difference + inner_difference;
            o2[i] = (1.0f / 6) * outer + inner + u5[i];
        }
    }
}
