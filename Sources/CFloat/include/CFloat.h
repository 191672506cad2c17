// Float helpers that Swift cannot express: fused multiply-add where the hardware has it, sums that may be reassociated into vector lanes,
// and maxima that vectorise. The permission to contract or reassociate is given inside each helper only, never to a whole file.
#pragma once
#include "Platform.h"
#include <math.h>
#include <stdbool.h>
#include "RowProducts.h"
#include "WinogradLines.h"

/// a * b + c, fused where the target has FMA.
static inline float relaxed_multiply_add(float a, float b, float c) {
#pragma clang fp contract(fast)
    return a * b + c;
}

/// a + b, free to be reassociated when it is the step of a reduction loop.
static inline float relaxed_sum(float a, float b) {
#pragma clang fp reassociate(on)
    return a + b;
}

/// accumulator + a * b, fused and free to be reassociated.
static inline float relaxed_dot(float a, float b, float accumulator) {
#pragma clang fp contract(fast) reassociate(on)
    return accumulator + a * b;
}

/// The larger of two numbers; a single instruction per vector.
static inline float relaxed_max(float a, float b) {
    return __builtin_fmaxf(a, b);
}

/// Square root as one instruction, without errno.
static inline float relaxed_sqrt(float a) {
    return __builtin_elementwise_sqrt(a);
}

/// Copies a cache line of 16 floats past the caches: for output that nobody reads soon, so that its old contents need not be fetched first.
/// `to` must be aligned to 64 bytes.
static inline void copy_line_streaming(const float *from, float *to) {
    typedef float vector __attribute__((vector_size(32)));
    typedef float unaligned_vector __attribute__((vector_size(32), aligned(4)));
    __builtin_nontemporal_store((vector)*(const unaligned_vector *)from, (vector *)to);
    __builtin_nontemporal_store((vector)*(const unaligned_vector *)(from + 8), (vector *)(to + 8));
}

/// Makes streaming copies visible to other threads before what follows.
static inline void finish_streaming(void) {
#if defined(__x86_64__)
    __builtin_ia32_sfence();
#endif
}

/// Natural logarithm (libm), so that kernels need no other import.
static inline double natural_log(double a) {
    return log(a);
}

/// Tells the core that this is a waiting loop.
static inline void cpu_pause(void) {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

/// The CPU level that the vectorised targets were compiled for.
static inline const char *compiled_cpu_level(void) {
#if defined(__AVX512F__)
    return "x86-64-v4";
#elif defined(__x86_64__)
    return "x86-64-v3";
#else
    return "arm64";
#endif
}

/// Whether this CPU runs what the vectorised targets were compiled for.
static inline bool cpu_runs_compiled_level(void) {
#if defined(__AVX512F__)
    return cpu_runs_avx512();
#elif defined(__x86_64__)
    return cpu_runs_avx2();
#else
    return true;
#endif
}
