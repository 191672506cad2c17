// What this program runs on and was compiled by: processor, C library, compiler.
#pragma once
#include <stdbool.h>
#if __has_include(<gnu/libc-version.h>)
#include <gnu/libc-version.h>
#endif

/// The registers eax, ebx, ecx, edx of CPUID leaf `leaf`; zeros on processors without it.
static inline void cpu_identification(unsigned leaf, unsigned registers[4]) {
#if defined(__x86_64__)
    __asm__ volatile("cpuid"
                     : "=a"(registers[0]), "=b"(registers[1]), "=c"(registers[2]), "=d"(registers[3])
                     : "0"(leaf), "2"(0));
#else
    for (int i = 0; i < 4; i++) registers[i] = 0;
#endif
}

/// Whether this processor runs AVX2 and FMA.
static inline bool cpu_runs_avx2(void) {
#if defined(__x86_64__)
    __builtin_cpu_init();
    return __builtin_cpu_supports("x86-64-v3");
#else
    return false;
#endif
}

/// Whether processor and system run the AVX-512 instructions that BLAS kernels of that kind use.
static inline bool cpu_runs_avx512(void) {
#if defined(__x86_64__)
    __builtin_cpu_init();
    return __builtin_cpu_supports("x86-64-v4");
#else
    return false;
#endif
}

/// The C compiler inside the Swift toolchain that compiled this program: its version names the toolchain's release exactly.
static inline const char *compiler_description(void) { return __clang_version__; }

/// The running C library's version, e.g. "2.36"; empty if it is not glibc.
static inline const char *glibc_version(void) {
#if __has_include(<gnu/libc-version.h>)
    return gnu_get_libc_version();
#else
    return "";
#endif
}
