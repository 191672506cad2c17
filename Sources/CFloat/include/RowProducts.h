// Products of a few rows with large weights, and attention of a few queries on a cache: the loops of generation.
//
// In C because what decides their speed is which sums stay in registers, and because they use AVX-512 where the processor has it. The bits are
// the same without it: every result is one chain of fused multiply-adds in ascending order, whatever the width of the vectors, the other rows of
// the call, or how the work is cut.
#pragma once
#include <stdbool.h>
#include <stddef.h>

/// Outputs in a panel of weights, and entries in a block of keys.
#define ROW_PANEL_WIDTH 32

/// out[r][n] = Σ_k a[r][k] · panel_{n / 32}[k][n % 32], added to what is in `out` if `adds`. A panel is `[depth][32]`; panels follow each other.
/// Rows of `a` and `out` are `a_stride` and `out_stride` floats apart; `out` has whole panels.
void row_panel_product(
    const float *a, ptrdiff_t a_stride, ptrdiff_t rows, const float *panels, ptrdiff_t panel_count, ptrdiff_t depth, float *out,
    ptrdiff_t out_stride, bool adds);

/// scores[r][e] = Σ_d queries[r][d] · keys[d][e] for the 32 entries of a block of keys `[width][32]`.
void key_block_scores(
    const float *queries, ptrdiff_t query_stride, ptrdiff_t rows, const float *keys, ptrdiff_t width, float *scores, ptrdiff_t score_stride);

/// out[r][d] = Σ_e weights[r][e] · values[e][d] for entries `0 ..< count`, added to what is in `out` if `adds`; `width` is a multiple of 16.
void value_block_sum(
    const float *weights, ptrdiff_t weight_stride, ptrdiff_t rows, ptrdiff_t count, const float *values, ptrdiff_t width, float *out,
    ptrdiff_t out_stride, bool adds);
