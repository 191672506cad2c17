#include "RowProducts.h"
#include "Platform.h"

#define INLINE static inline __attribute__((always_inline))
#define UNROLL _Pragma("clang loop unroll(full)")

typedef float float4 __attribute__((ext_vector_type(4)));
typedef float float8 __attribute__((ext_vector_type(8)));
typedef float float16 __attribute__((ext_vector_type(16)));
typedef float float4_any __attribute__((ext_vector_type(4), aligned(4)));
typedef float float8_any __attribute__((ext_vector_type(8), aligned(4)));
typedef float float16_any __attribute__((ext_vector_type(16), aligned(4)));

/// A block of rows times some columns of one panel, or of two neighbouring ones: ROWS × VECTORS vectors of sums in registers.
#define ROW_BLOCK(NAME, TARGET, VECTOR, LANES, ROWS, VECTORS)                                                                        \
    TARGET static void NAME(                                                                                                         \
        const float *a, ptrdiff_t a_stride, const float *panel, ptrdiff_t next_panel, float *out, ptrdiff_t out_stride, ptrdiff_t depth, \
        bool adds) {                                                                                                                 \
        enum { per_panel = ROW_PANEL_WIDTH / LANES };                                                                                \
        VECTOR sums[ROWS][VECTORS];                                                                                                  \
        UNROLL for (int i = 0; i < ROWS; i++) UNROLL for (int j = 0; j < VECTORS; j++)                                              \
            sums[i][j] = adds ? *(const VECTOR##_any *)(out + i * out_stride + j * LANES) : (VECTOR)(0.0f);                          \
        for (ptrdiff_t k = 0; k < depth; k++) {                                                                                      \
            VECTOR weights[VECTORS];                                                                                                 \
            UNROLL for (int j = 0; j < VECTORS; j++)                                                                                 \
                weights[j] = *(const VECTOR##_any *)(panel + j / per_panel * next_panel + k * ROW_PANEL_WIDTH + j % per_panel * LANES); \
            UNROLL for (int i = 0; i < ROWS; i++) {                                                                                  \
                VECTOR x = (VECTOR)(a[i * a_stride + k]);                                                                            \
                UNROLL for (int j = 0; j < VECTORS; j++) sums[i][j] = __builtin_elementwise_fma(x, weights[j], sums[i][j]);          \
            }                                                                                                                        \
        }                                                                                                                            \
        UNROLL for (int i = 0; i < ROWS; i++) UNROLL for (int j = 0; j < VECTORS; j++)                                              \
            *(VECTOR##_any *)(out + i * out_stride + j * LANES) = sums[i][j];                                                        \
    }

typedef void (*row_block)(const float *, ptrdiff_t, const float *, ptrdiff_t, float *, ptrdiff_t, ptrdiff_t, bool);

/// What a kind of processor multiplies with.
struct row_blocks {
    /// By rows, for `narrow_columns` columns of one panel.
    const row_block *narrow;
    ptrdiff_t narrow_rows, narrow_columns;
    /// By rows, for two panels at once; NULL without.
    const row_block *wide;
    ptrdiff_t wide_rows;
};

/// Depth after which many rows take turns: a pair of panels stays in the second-level cache.
static const ptrdiff_t turn_depth = 1024;

INLINE void product(
    const struct row_blocks *blocks, const float *a, ptrdiff_t a_stride, ptrdiff_t rows, const float *panels, ptrdiff_t panel_count,
    ptrdiff_t depth, float *out, ptrdiff_t out_stride, bool adds) {
    const ptrdiff_t panel_size = ROW_PANEL_WIDTH * depth;
    // A few rows pass over a panel once; many take turns on a part of it that stays in cache.
    const ptrdiff_t most = blocks->wide && (rows <= blocks->wide_rows || rows > blocks->narrow_rows) ? blocks->wide_rows : blocks->narrow_rows;
    const ptrdiff_t parts = (rows + most - 1) / most;
    const ptrdiff_t turn = parts == 1 ? depth : turn_depth;
    for (ptrdiff_t first = 0; first < depth; first += turn) {
        const ptrdiff_t length = depth - first < turn ? depth - first : turn;
        const bool continues = adds || first > 0;
        ptrdiff_t panel = 0;
        while (panel < panel_count) {
            const bool pair = blocks->wide && most == blocks->wide_rows && panel + 2 <= panel_count;
            const ptrdiff_t columns = pair ? 2 * ROW_PANEL_WIDTH : blocks->narrow_columns;
            const ptrdiff_t end = pair ? 2 * ROW_PANEL_WIDTH : ROW_PANEL_WIDTH;
            for (ptrdiff_t part = 0; part < parts; part++) {
                const ptrdiff_t row = rows * part / parts, count = rows * (part + 1) / parts - row;
                for (ptrdiff_t column = 0; column < end; column += columns)
                    (pair ? blocks->wide : blocks->narrow)[count](
                        a + row * a_stride + first, a_stride, panels + panel * panel_size + first * ROW_PANEL_WIDTH + column, panel_size,
                        out + row * out_stride + panel * ROW_PANEL_WIDTH + column, out_stride, length, continues);
            }
            panel += pair ? 2 : 1;
        }
    }
}

/// The sums of 32 entries, or of `width` channels, in vectors of 16 that the compiler splits where it must.
#define ATTENTION(SUFFIX, TARGET)                                                                                                    \
    TARGET static void key_scores_##SUFFIX(const float *query, const float *keys, ptrdiff_t width, float *scores) {                  \
        float16 low = (float16)(0.0f), high = low;                                                                                   \
        for (ptrdiff_t d = 0; d < width; d++) {                                                                                      \
            float16 x = (float16)(query[d]);                                                                                         \
            low = __builtin_elementwise_fma(x, *(const float16_any *)(keys + d * ROW_PANEL_WIDTH), low);                             \
            high = __builtin_elementwise_fma(x, *(const float16_any *)(keys + d * ROW_PANEL_WIDTH + 16), high);                      \
        }                                                                                                                            \
        *(float16_any *)scores = low;                                                                                                \
        *(float16_any *)(scores + 16) = high;                                                                                        \
    }                                                                                                                                \
    TARGET static void value_sum_##SUFFIX(                                                                                           \
        const float *weights, ptrdiff_t count, const float *values, ptrdiff_t width, float *out, bool adds) {                        \
        ptrdiff_t d = 0;                                                                                                             \
        for (; d + 64 <= width; d += 64) {                                                                                           \
            float16 sums[4];                                                                                                         \
            UNROLL for (int j = 0; j < 4; j++) sums[j] = adds ? *(const float16_any *)(out + d + 16 * j) : (float16)(0.0f);          \
            for (ptrdiff_t e = 0; e < count; e++) {                                                                                  \
                float16 x = (float16)(weights[e]);                                                                                   \
                UNROLL for (int j = 0; j < 4; j++)                                                                                   \
                    sums[j] = __builtin_elementwise_fma(x, *(const float16_any *)(values + e * width + d + 16 * j), sums[j]);         \
            }                                                                                                                        \
            UNROLL for (int j = 0; j < 4; j++) *(float16_any *)(out + d + 16 * j) = sums[j];                                        \
        }                                                                                                                            \
        for (; d < width; d += 16) {                                                                                                 \
            float16 sum = adds ? *(const float16_any *)(out + d) : (float16)(0.0f);                                                  \
            for (ptrdiff_t e = 0; e < count; e++)                                                                                    \
                sum = __builtin_elementwise_fma((float16)(weights[e]), *(const float16_any *)(values + e * width + d), sum);          \
            *(float16_any *)(out + d) = sum;                                                                                         \
        }                                                                                                                            \
    }

#if defined(__x86_64__)

#define AVX512 __attribute__((target("avx512f,avx512vl,fma")))
#define AVX2 __attribute__((target("avx2,fma")))

ROW_BLOCK(narrow512_1, AVX512, float16, 16, 1, 2)
ROW_BLOCK(narrow512_2, AVX512, float16, 16, 2, 2)
ROW_BLOCK(narrow512_3, AVX512, float16, 16, 3, 2)
ROW_BLOCK(narrow512_4, AVX512, float16, 16, 4, 2)
ROW_BLOCK(narrow512_5, AVX512, float16, 16, 5, 2)
ROW_BLOCK(narrow512_6, AVX512, float16, 16, 6, 2)
ROW_BLOCK(narrow512_7, AVX512, float16, 16, 7, 2)
ROW_BLOCK(narrow512_8, AVX512, float16, 16, 8, 2)
ROW_BLOCK(narrow512_9, AVX512, float16, 16, 9, 2)
ROW_BLOCK(narrow512_10, AVX512, float16, 16, 10, 2)
ROW_BLOCK(narrow512_11, AVX512, float16, 16, 11, 2)
ROW_BLOCK(narrow512_12, AVX512, float16, 16, 12, 2)
ROW_BLOCK(wide512_1, AVX512, float16, 16, 1, 4)
ROW_BLOCK(wide512_2, AVX512, float16, 16, 2, 4)
ROW_BLOCK(wide512_3, AVX512, float16, 16, 3, 4)
ROW_BLOCK(wide512_4, AVX512, float16, 16, 4, 4)
ROW_BLOCK(wide512_5, AVX512, float16, 16, 5, 4)
ROW_BLOCK(wide512_6, AVX512, float16, 16, 6, 4)
ROW_BLOCK(narrow256_1, AVX2, float8, 8, 1, 2)
ROW_BLOCK(narrow256_2, AVX2, float8, 8, 2, 2)
ROW_BLOCK(narrow256_3, AVX2, float8, 8, 3, 2)
ROW_BLOCK(narrow256_4, AVX2, float8, 8, 4, 2)
ROW_BLOCK(narrow256_5, AVX2, float8, 8, 5, 2)
ROW_BLOCK(narrow256_6, AVX2, float8, 8, 6, 2)
ATTENTION(512, AVX512)
ATTENTION(256, AVX2)

static const row_block narrow512[] = {0,           narrow512_1, narrow512_2, narrow512_3,  narrow512_4,  narrow512_5, narrow512_6,
                                      narrow512_7, narrow512_8, narrow512_9, narrow512_10, narrow512_11, narrow512_12};
static const row_block wide512[] = {0, wide512_1, wide512_2, wide512_3, wide512_4, wide512_5, wide512_6};
static const row_block narrow256[] = {0, narrow256_1, narrow256_2, narrow256_3, narrow256_4, narrow256_5, narrow256_6};
static const struct row_blocks blocks512 = {narrow512, 12, ROW_PANEL_WIDTH, wide512, 6};
static const struct row_blocks blocks256 = {narrow256, 6, 16, 0, 0};

#define ROW_BLOCKS (cpu_runs_avx512() ? &blocks512 : &blocks256)
#define CHOOSE(NAME) (cpu_runs_avx512() ? NAME##_512 : NAME##_256)

#else

ROW_BLOCK(narrow128_1, , float4, 4, 1, 4)
ROW_BLOCK(narrow128_2, , float4, 4, 2, 4)
ROW_BLOCK(narrow128_3, , float4, 4, 3, 4)
ROW_BLOCK(narrow128_4, , float4, 4, 4, 4)
ROW_BLOCK(narrow128_5, , float4, 4, 5, 4)
ROW_BLOCK(narrow128_6, , float4, 4, 6, 4)
ATTENTION(128, )

static const row_block narrow128[] = {0, narrow128_1, narrow128_2, narrow128_3, narrow128_4, narrow128_5, narrow128_6};
static const struct row_blocks blocks128 = {narrow128, 6, 16, 0, 0};

#define ROW_BLOCKS (&blocks128)
#define CHOOSE(NAME) NAME##_128

#endif

void row_panel_product(
    const float *a, ptrdiff_t a_stride, ptrdiff_t rows, const float *panels, ptrdiff_t panel_count, ptrdiff_t depth, float *out,
    ptrdiff_t out_stride, bool adds) {
    product(ROW_BLOCKS, a, a_stride, rows, panels, panel_count, depth, out, out_stride, adds);
}

void key_block_scores(const float *query, const float *keys, ptrdiff_t width, float *scores) {
    CHOOSE(key_scores)(query, keys, width, scores);
}

void value_block_sum(const float *weights, ptrdiff_t count, const float *values, ptrdiff_t width, float *out, bool adds) {
    CHOOSE(value_sum)(weights, count, values, width, out, adds);
}
