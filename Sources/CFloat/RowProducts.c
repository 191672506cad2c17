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

/// Memory that will be needed soon: two places, and how many bytes they move on with every line of a panel.
struct prefetch {
    const char *places[2];
    ptrdiff_t step;
};

/// A block of rows times some columns of one panel, or of two neighbouring ones: ROWS × VECTORS vectors of sums in registers.
#define ROW_BLOCK(NAME, TARGET, VECTOR, LANES, ROWS, VECTORS)                                                                        \
    TARGET static void NAME(                                                                                                         \
        const float *a, ptrdiff_t a_stride, const float *panel, ptrdiff_t next_panel, float *out, ptrdiff_t out_stride, ptrdiff_t depth, \
        bool adds, struct prefetch ahead) {                                                                                          \
        enum { per_panel = ROW_PANEL_WIDTH / LANES };                                                                                \
        VECTOR sums[ROWS][VECTORS];                                                                                                  \
        UNROLL for (int i = 0; i < ROWS; i++) UNROLL for (int j = 0; j < VECTORS; j++)                                              \
            sums[i][j] = adds ? *(const VECTOR##_any *)(out + i * out_stride + j * LANES) : (VECTOR)(0.0f);                          \
        for (ptrdiff_t k = 0; k < depth; k++) {                                                                                      \
            VECTOR weights[VECTORS];                                                                                                 \
            __builtin_prefetch(ahead.places[0] + k * ahead.step, 0, 2);                                                              \
            __builtin_prefetch(ahead.places[1] + k * ahead.step, 0, 2);                                                              \
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

typedef void (*row_block)(const float *, ptrdiff_t, const float *, ptrdiff_t, float *, ptrdiff_t, ptrdiff_t, bool, struct prefetch);

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
/// How far ahead a single pass over panels fetches them, in bytes: the processor's own prefetching stops at the ends of 4 KiB, and falls behind when
/// there is much to multiply.
static const ptrdiff_t prefetch_distance = 8192;

INLINE void product(
    const struct row_blocks *blocks, const float *a, ptrdiff_t a_stride, ptrdiff_t rows, const float *panels, ptrdiff_t panel_count,
    ptrdiff_t depth, float *out, ptrdiff_t out_stride, bool adds) {
    const ptrdiff_t panel_size = ROW_PANEL_WIDTH * depth;
    // A few rows pass over a panel once; many take turns on a part of it that stays in cache.
    const bool wide = blocks->wide && (rows <= blocks->wide_rows || rows > 2 * blocks->narrow_rows);
    const ptrdiff_t most = wide ? blocks->wide_rows : blocks->narrow_rows;
    const ptrdiff_t parts = (rows + most - 1) / most;
    const ptrdiff_t turn = parts == 1 ? depth : turn_depth;
    ptrdiff_t panel = 0;
    while (panel < panel_count) {
        const bool pair = wide && panel + 2 <= panel_count;
        const ptrdiff_t columns = pair ? 2 * ROW_PANEL_WIDTH : blocks->narrow_columns;
        const ptrdiff_t end = pair ? 2 * ROW_PANEL_WIDTH : ROW_PANEL_WIDTH;
        for (ptrdiff_t first = 0; first < depth; first += turn) {
            const ptrdiff_t length = depth - first < turn ? depth - first : turn;
            const float *weights = panels + panel * panel_size + first * ROW_PANEL_WIDTH;
            // What comes after this turn: the next part of these panels, or the next panels.
            const float *next = first + length < depth ? weights + length * ROW_PANEL_WIDTH : panels + (panel + (pair ? 2 : 1)) * panel_size;
            for (ptrdiff_t part = 0; part < parts; part++) {
                const ptrdiff_t row = rows * part / parts, count = rows * (part + 1) / parts - row;
                // Each turn fetches its share of that. A single pass of few rows is left to the processor.
                const ptrdiff_t line = ROW_PANEL_WIDTH * sizeof(float), step = line / parts;
                const char *soon = parts > 1 ? (const char *)next + part * length * step : (const char *)weights + (pair ? 0 : prefetch_distance);
                const ptrdiff_t second = pair && parts > 1 ? panel_size * (ptrdiff_t)sizeof(float) : step / 2;
                const struct prefetch ahead = {{soon, soon + second}, step};
                for (ptrdiff_t column = 0; column < end; column += columns)
                    (pair ? blocks->wide : blocks->narrow)[count](
                        a + row * a_stride + first, a_stride, weights + column, panel_size,
                        out + row * out_stride + panel * ROW_PANEL_WIDTH + column, out_stride, length, adds || first > 0, ahead);
            }
        }
        panel += pair ? 2 : 1;
    }
}

/// Attention on a block, for ROWS queries at once, in vectors of 16 that the compiler splits where it must.
#define ATTENTION_ROWS(SUFFIX, TARGET, ROWS)                                                                                         \
    TARGET static void key_scores_##SUFFIX##_##ROWS(                                                                                 \
        const float *queries, ptrdiff_t query_stride, const float *keys, ptrdiff_t width, float *scores, ptrdiff_t score_stride) {   \
        float16 low[ROWS], high[ROWS];                                                                                               \
        UNROLL for (int i = 0; i < ROWS; i++) low[i] = high[i] = (float16)(0.0f);                                                    \
        for (ptrdiff_t d = 0; d < width; d++) {                                                                                      \
            float16 first = *(const float16_any *)(keys + d * ROW_PANEL_WIDTH);                                                      \
            float16 second = *(const float16_any *)(keys + d * ROW_PANEL_WIDTH + 16);                                                \
            UNROLL for (int i = 0; i < ROWS; i++) {                                                                                  \
                float16 x = (float16)(queries[i * query_stride + d]);                                                                \
                low[i] = __builtin_elementwise_fma(x, first, low[i]);                                                                \
                high[i] = __builtin_elementwise_fma(x, second, high[i]);                                                             \
            }                                                                                                                        \
        }                                                                                                                            \
        UNROLL for (int i = 0; i < ROWS; i++) {                                                                                      \
            *(float16_any *)(scores + i * score_stride) = low[i];                                                                    \
            *(float16_any *)(scores + i * score_stride + 16) = high[i];                                                              \
        }                                                                                                                            \
    }                                                                                                                                \
    VALUE_SUM(SUFFIX, TARGET, ROWS, 1)                                                                                               \
    VALUE_SUM(SUFFIX, TARGET, ROWS, 4)

/// 16 · VECTORS channels of the weighted sums of ROWS queries.
#define VALUE_SUM(SUFFIX, TARGET, ROWS, VECTORS)                                                                                     \
    TARGET static void value_sum_##SUFFIX##_##ROWS##_##VECTORS(                                                                      \
        const float *weights, ptrdiff_t weight_stride, ptrdiff_t count, const float *values, ptrdiff_t width, float *out,            \
        ptrdiff_t out_stride, bool adds) {                                                                                           \
        float16 sums[ROWS][VECTORS];                                                                                                 \
        UNROLL for (int i = 0; i < ROWS; i++) UNROLL for (int j = 0; j < VECTORS; j++)                                              \
            sums[i][j] = adds ? *(const float16_any *)(out + i * out_stride + 16 * j) : (float16)(0.0f);                             \
        for (ptrdiff_t e = 0; e < count; e++) {                                                                                      \
            float16 value[VECTORS];                                                                                                  \
            UNROLL for (int j = 0; j < VECTORS; j++) value[j] = *(const float16_any *)(values + e * width + 16 * j);                 \
            UNROLL for (int i = 0; i < ROWS; i++) {                                                                                  \
                float16 x = (float16)(weights[i * weight_stride + e]);                                                               \
                UNROLL for (int j = 0; j < VECTORS; j++) sums[i][j] = __builtin_elementwise_fma(x, value[j], sums[i][j]);            \
            }                                                                                                                        \
        }                                                                                                                            \
        UNROLL for (int i = 0; i < ROWS; i++) UNROLL for (int j = 0; j < VECTORS; j++)                                              \
            *(float16_any *)(out + i * out_stride + 16 * j) = sums[i][j];                                                            \
    }

/// Any number of queries, four at a time.
#define ATTENTION(SUFFIX, TARGET)                                                                                                    \
    ATTENTION_ROWS(SUFFIX, TARGET, 1)                                                                                                \
    ATTENTION_ROWS(SUFFIX, TARGET, 4)                                                                                                \
    static void key_scores_##SUFFIX(                                                                                                 \
        const float *queries, ptrdiff_t query_stride, ptrdiff_t rows, const float *keys, ptrdiff_t width, float *scores,             \
        ptrdiff_t score_stride) {                                                                                                    \
        ptrdiff_t row = 0;                                                                                                           \
        for (; row + 4 <= rows; row += 4)                                                                                            \
            key_scores_##SUFFIX##_4(queries + row * query_stride, query_stride, keys, width, scores + row * score_stride, score_stride); \
        for (; row < rows; row++)                                                                                                    \
            key_scores_##SUFFIX##_1(queries + row * query_stride, query_stride, keys, width, scores + row * score_stride, score_stride); \
    }                                                                                                                                \
    static void value_sum_##SUFFIX(                                                                                                  \
        const float *weights, ptrdiff_t weight_stride, ptrdiff_t rows, ptrdiff_t count, const float *values, ptrdiff_t width,        \
        float *out, ptrdiff_t out_stride, bool adds) {                                                                               \
        for (ptrdiff_t row = 0; row < rows;) {                                                                                       \
            const ptrdiff_t taken = row + 4 <= rows ? 4 : 1;                                                                         \
            const float *w = weights + row * weight_stride;                                                                          \
            float *target = out + row * out_stride;                                                                                  \
            ptrdiff_t d = 0;                                                                                                         \
            for (; d + 64 <= width; d += 64)                                                                                         \
                (taken == 4 ? value_sum_##SUFFIX##_4_4 : value_sum_##SUFFIX##_1_4)(                                                  \
                    w, weight_stride, count, values + d, width, target + d, out_stride, adds);                                       \
            for (; d < width; d += 16)                                                                                               \
                (taken == 4 ? value_sum_##SUFFIX##_4_1 : value_sum_##SUFFIX##_1_1)(                                                  \
                    w, weight_stride, count, values + d, width, target + d, out_stride, adds);                                       \
            row += taken;                                                                                                            \
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

void key_block_scores(
    const float *queries, ptrdiff_t query_stride, ptrdiff_t rows, const float *keys, ptrdiff_t width, float *scores, ptrdiff_t score_stride) {
    CHOOSE(key_scores)(queries, query_stride, rows, keys, width, scores, score_stride);
}

void value_block_sum(
    const float *weights, ptrdiff_t weight_stride, ptrdiff_t rows, ptrdiff_t count, const float *values, ptrdiff_t width, float *out,
    ptrdiff_t out_stride, bool adds) {
    CHOOSE(value_sum)(weights, weight_stride, rows, count, values, width, out, out_stride, adds);
}
