// CRC-32C with the CPU's own instruction. Registers go in and out as they are, without the inversions at start and end.
#pragma once
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if defined(__x86_64__)

/// The registers of three neighbouring lanes.
typedef struct {
    uint32_t first, second, third;
} crc32c_lanes;

/// Goes over 3 · `lane` bytes, `lane` a multiple of 8, in three independent chains: the instruction answers after three cycles but starts
/// every cycle. `first` goes on from `crc`, the other two begin with 0.
__attribute__((target("sse4.2")))
static inline crc32c_lanes crc32c_three_lanes(const void *bytes, size_t lane, uint32_t crc) {
    const unsigned char *p = (const unsigned char *)bytes;
    uint64_t a = crc, b = 0, c = 0, word;
    for (size_t i = 0; i < lane; i += 8) {
        memcpy(&word, p + i, 8);
        a = __builtin_ia32_crc32di(a, word);
        memcpy(&word, p + lane + i, 8);
        b = __builtin_ia32_crc32di(b, word);
        memcpy(&word, p + 2 * lane + i, 8);
        c = __builtin_ia32_crc32di(c, word);
    }
    crc32c_lanes lanes = {(uint32_t)a, (uint32_t)b, (uint32_t)c};
    return lanes;
}

/// Goes over `count` bytes from register `crc`.
__attribute__((target("sse4.2")))
static inline uint32_t crc32c_one_lane(const void *bytes, size_t count, uint32_t crc) {
    const unsigned char *p = (const unsigned char *)bytes;
    uint64_t a = crc, word;
    for (; count >= 8; p += 8, count -= 8) {
        memcpy(&word, p, 8);
        a = __builtin_ia32_crc32di(a, word);
    }
    uint32_t narrow = (uint32_t)a;
    for (; count > 0; p++, count--) narrow = __builtin_ia32_crc32qi(narrow, *p);
    return narrow;
}
#endif
