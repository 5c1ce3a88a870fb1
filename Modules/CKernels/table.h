// The functions that exist once per instruction set, and the types that they share.
#ifndef CK_TABLE_H
#define CK_TABLE_H

#include "include/CKernels.h"

enum { TILE_SET = 0, TILE_ADD = 1, TILE_BIAS = 2 };

/// One register tile, C[rows × columns] = A · B, added to C or to a bias per column.
typedef struct {
  ptrdiff_t rows, columns, k;
  const float *a;  // `direct`: rows of a_stride; else a_stride apart, for each k, one float per row
  ptrdiff_t a_stride;
  const float *b;  // rows of b_stride, readable for whole vectors
  ptrdiff_t b_stride;
  float *c;
  ptrdiff_t c_stride;
  const float *bias;
  const float *ahead;  // for a column of tiles: the panel of B that is read next
  int mode, direct;
} ck_tile;

/// y[v, r] = w[r] · x[v]: rows of a matrix times a few vectors.
typedef struct {
  ptrdiff_t rows, vectors, n;
  const float *w;
  ptrdiff_t stride_w;
  const float *x;
  ptrdiff_t stride_x;
  float *y;
  ptrdiff_t stride_y;
} ck_dots;

// MARK: Rows of 8-bit codes (simd/attend_codes.h)

/// Rows step · (code − zero), and a few vectors that they meet.
typedef struct {
  ptrdiff_t rows, width, vectors;  // width is a multiple of the lanes
  const uint8_t *codes;            // [rows × width]
  const float *grids;              // [rows × 2]: step and zero point, which has_plain_grids
  float *x;
  ptrdiff_t stride_x;
  float *y;
  ptrdiff_t stride_y;
} ck_coded;

// MARK: Convolutions (simd/convolve.h)

enum { CK_RUNS = 8 };

/// A few runs of `length` neighbouring pixels times the channels of one panel.
typedef struct {
  ptrdiff_t k;
  const int32_t *offsets;  // [k], from each source
  const float *panel;      // [k × tile_columns]; for few channels [k × channels]
  const float *bias;       // [tile_columns], or NULL
  const float *source[CK_RUNS];
  float *target[CK_RUNS];
  ptrdiff_t stride;    // of the target: between channels; for added runs between the rows of a run
  ptrdiff_t channels;  // ≤ tile_columns
  int length;
} ck_run_tile;

/// sums[j] += Σ left[left_offsets[r] + i] · right[right_offsets[r] + tap_offsets[j] + i].
typedef struct {
  ptrdiff_t runs;
  int length, taps;  // at most a vector; at most 9
  const float *left, *right;
  const int32_t *left_offsets, *right_offsets, *tap_offsets;
  float *sums;
} ck_run_dots;

/// A padded copy of a piece of an image: `columns` of every one of `phases` interleaved columns.
typedef struct {
  ptrdiff_t channels, plane, height, width;       // of the image
  ptrdiff_t row, rows, column, columns, phases;  // of the window; row and column may be negative
  const float *from;
  float *to;
} ck_window;

/// Partial sums [parts][rows × tile_columns], to be added and transposed.
typedef struct {
  ptrdiff_t parts, part_stride, rows, channels, stride;
  const float *from;
  float *to;
} ck_partial_sums;

// MARK: Sparse convolutions (simd/sparse.h)

/// y[outputs[i]] = x[inputs[i]] · panel + bias, or y[outputs[i]] += it, for pairs of rows.
typedef struct {
  ptrdiff_t count, k, columns;  // columns ≤ tile_columns
  const float *panel;           // [k × tile_columns]
  const float *bias;            // [tile_columns], or NULL
  const float *x;
  ptrdiff_t x_stride;
  float *y;
  ptrdiff_t y_stride;
  const int32_t *inputs, *outputs;
  bool adds;
} ck_gathered;

/// w[rows × columns] += Σ x[inputs[i]]ᵀ · y[outputs[i]].
typedef struct {
  ptrdiff_t count, rows, columns;  // rows ≤ outer_rows, columns ≤ tile_columns
  const float *x;
  ptrdiff_t x_stride;
  const float *y;
  ptrdiff_t y_stride;
  float *w;
  ptrdiff_t w_stride;
  const int32_t *inputs, *outputs;
} ck_gathered_outer;

/// The functions of CKernels.h that are one call into the table: X(result, name, (parameters),
/// (arguments)).
#define CK_DISPATCHED(X)                                                                           \
  X(void, add, (ptrdiff_t n, const float *a, const float *b, float *out), (n, a, b, out))          \
  X(void, scale_shift, (ptrdiff_t n, const float *x, float a, float b, float *out),                \
    (n, x, a, b, out))                                                                             \
  X(float, sum, (ptrdiff_t n, const float *x), (n, x))                                             \
  X(float, dot, (ptrdiff_t n, const float *a, const float *b), (n, a, b))                          \
  X(void, min_max, (ptrdiff_t n, const float *x, float *minimum, float *maximum),                  \
    (n, x, minimum, maximum))                                                                      \
  X(float, log_sum_exp, (ptrdiff_t n, const float *x), (n, x))                                     \
  X(void, softmax_rows,                                                                            \
    (bool logarithm, ptrdiff_t rows, ptrdiff_t n, const float *x, float scale, float *out),        \
    (logarithm, rows, n, x, scale, out))                                                           \
  X(void, softmax_gradient_rows,                                                                   \
    (bool logarithm, ptrdiff_t rows, ptrdiff_t n, const float *y, float scale,                     \
     const float *gradient, float *out),                                                           \
    (logarithm, rows, n, y, scale, gradient, out))                                                 \
  X(void, norm_rows, (const ck_norm *norm), (norm))                                                \
  X(void, norm_gradient_rows, (const ck_norm_gradient *norm), (norm))                              \
  X(void, cross_entropy_rows, (const ck_cross_entropy *job), (job))                                \
  X(double, loss_sum, (int kind, const ck_loss *job), (kind, job))                                 \
  X(void, loss_gradient, (int kind, const ck_loss *job), (kind, job))                              \
  X(void, cosine_rows,                                                                             \
    (ptrdiff_t rows, ptrdiff_t n, const float *x, const float *y, float epsilon, float *out),      \
    (rows, n, x, y, epsilon, out))                                                                 \
  X(void, cosine_gradient_rows,                                                                    \
    (ptrdiff_t rows, ptrdiff_t n, const float *x, const float *y, float epsilon,                   \
     const float *gradient, float *out),                                                           \
    (rows, n, x, y, epsilon, gradient, out))                                                       \
  X(void, rotate_half,                                                                             \
    (ptrdiff_t heads, ptrdiff_t width, const float *cosines, const float *sines, float *x),        \
    (heads, width, cosines, sines, x))                                                             \
  X(void, float16_to_float32, (ptrdiff_t n, const uint16_t *x, float *out), (n, x, out))           \
  X(void, float32_to_float16, (ptrdiff_t n, const float *x, uint16_t *out), (n, x, out))           \
  X(void, bfloat16_to_float32, (ptrdiff_t n, const uint16_t *x, float *out), (n, x, out))          \
  X(void, float32_to_bfloat16, (ptrdiff_t n, const float *x, uint16_t *out), (n, x, out))          \
  X(void, quantize,                                                                                \
    (ptrdiff_t n, const float *x, float scale, float zero, int bits, uint8_t *codes),              \
    (n, x, scale, zero, bits, codes))                                                              \
  X(double, quantization_error, (ptrdiff_t n, const float *x, float scale, float zero, int bits),  \
    (n, x, scale, zero, bits))                                                                     \
  X(double, quantization_power_error,                                                              \
    (ptrdiff_t n, const float *x, float scale, float zero, int bits, float exponent,               \
     double limit),                                                                                \
    (n, x, scale, zero, bits, exponent, limit))                                                    \
  X(void, round_learned, (const ck_rounding *rounding, float *u, float *value),                    \
    (rounding, u, value))                                                                          \
  X(double, round_learned_gradient,                                                                \
    (const ck_rounding *rounding, const ck_rounding_gradient *gradient), (rounding, gradient))     \
  X(void, combine, (int operation, const ck_pair *pair, float *out), (operation, pair, out))       \
  X(void, compare, (int operation, const ck_pair *pair, uint8_t *out), (operation, pair, out))     \
  X(void, apply,                                                                                   \
    (int function, ptrdiff_t n, const float *x, float low, float high, float *out),                \
    (function, n, x, low, high, out))                                                              \
  X(void, apply_slope,                                                                             \
    (int function, ptrdiff_t n, const float *saved, const float *gradient, float low, float high,  \
     float *out),                                                                                  \
    (function, n, saved, gradient, low, high, out))                                                \
  X(void, power, (ptrdiff_t n, const float *x, float exponent, float *out),                        \
    (n, x, exponent, out))                                                                         \
  X(void, gate, (int function, ptrdiff_t n, const float *gate, const float *up, float *out),       \
    (function, n, gate, up, out))                                                                  \
  X(void, gate_slopes,                                                                             \
    (int function, ptrdiff_t n, const float *gate, const float *up, const float *gradient,         \
     float *gate_gradient, float *up_gradient),                                                    \
    (function, n, gate, up, gradient, gate_gradient, up_gradient))                                 \
  X(void, random_words,                                                                            \
    (const ck_random *source, ptrdiff_t n, uint64_t chunk, uint32_t *out),                         \
    (source, n, chunk, out))                                                                       \
  X(void, dropout,                                                                                 \
    (const ck_random *source, ptrdiff_t n, uint64_t chunk, uint32_t threshold, float scale,        \
     const float *x, float *out),                                                                  \
    (source, n, chunk, threshold, scale, x, out))                                                  \
  X(void, add_scaled, (ptrdiff_t n, const float *x, float factor, float *out),                     \
    (n, x, factor, out))                                                                           \
  X(void, reduce_rows,                                                                             \
    (int reduction, ptrdiff_t rows, ptrdiff_t n, const float *x, ptrdiff_t stride,                 \
     const double *centre, double *out),                                                           \
    (reduction, rows, n, x, stride, centre, out))                                                  \
  X(void, reduce_columns,                                                                          \
    (int reduction, ptrdiff_t rows, ptrdiff_t n, const float *x, ptrdiff_t stride,                 \
     const double *centre, double *out),                                                           \
    (reduction, rows, n, x, stride, centre, out))                                                  \
  X(void, arg_rows, (bool largest, ptrdiff_t rows, ptrdiff_t n, const float *x, int32_t *out),     \
    (largest, rows, n, x, out))                                                                    \
  X(void, arg_columns,                                                                             \
    (bool largest, ptrdiff_t rows, ptrdiff_t n, const float *x, ptrdiff_t stride, int32_t *out),   \
    (largest, rows, n, x, stride, out))                                                            \
  X(void, transpose,                                                                               \
    (ptrdiff_t rows, ptrdiff_t columns, const uint32_t *x, ptrdiff_t stride, uint32_t *out,        \
     ptrdiff_t out_stride),                                                                        \
    (rows, columns, x, stride, out, out_stride))                                                   \
  X(void, channel_moments,                                                                         \
    (const ck_channels *channels, const float *x, float *mean, float *variance),                   \
    (channels, x, mean, variance))                                                                 \
  X(void, channel_normalize,                                                                       \
    (const ck_channels *channels, const float *x, const float *mean, const float *scale,           \
     const float *shift, float *out),                                                              \
    (channels, x, mean, scale, shift, out))                                                        \
  X(void, channel_products,                                                                        \
    (const ck_channels *channels, const float *x, const float *gradient, const float *mean,        \
     double *sums, double *products),                                                              \
    (channels, x, gradient, mean, sums, products))                                                 \
  X(void, channel_gradient,                                                                        \
    (const ck_channels *channels, const float *x, const float *gradient, const float *mean,        \
     const ck_channel_terms *terms, float *out),                                                   \
    (channels, x, gradient, mean, terms, out))                                                     \
  X(void, max_pool,                                                                                \
    (const ck_max_pooling *pooling, const float *x, float *out, int32_t *index),                   \
    (pooling, x, out, index))                                                                      \
  X(void, resample,                                                                                \
    (const ck_resampling *resampling, const float *x, float *scratch, float *out),                 \
    (resampling, x, scratch, out))                                                                 \
  X(void, resample_transposed,                                                                     \
    (const ck_resampling *resampling, const float *x, float *scratch, float *out),                 \
    (resampling, x, scratch, out))                                                                 \
  X(void, adam_step, (const ck_adam *step, ptrdiff_t first, ptrdiff_t n), (step, first, n))        \
  X(void, sgd_step, (const ck_sgd *step, ptrdiff_t first, ptrdiff_t n), (step, first, n))          \
  X(void, lion_step, (const ck_lion *step, ptrdiff_t first, ptrdiff_t n), (step, first, n))        \
  X(double, probe_fma, (double seconds), (seconds))                                                \
  X(double, probe_read, (ptrdiff_t n, const float *x), (n, x))

typedef struct {
  const char *name;
  ptrdiff_t tile_rows, tile_columns, lanes;
  void (*tile)(const ck_tile *tile);
  void (*tile_column)(const ck_tile *tile, ptrdiff_t height);
  void (*pack_rows)(const float *x, ptrdiff_t stride, ptrdiff_t rows, ptrdiff_t k, ptrdiff_t width,
                    float *out);
  void (*pack_transposed_rows)(const float *x, ptrdiff_t stride, ptrdiff_t rows, ptrdiff_t k,
                               ptrdiff_t depth, ptrdiff_t width, float *out);
  void (*pack_columns)(const float *x, ptrdiff_t stride, ptrdiff_t columns, ptrdiff_t k,
                       ptrdiff_t depth, float *out);
  void (*pack_transposed_columns)(const float *x, ptrdiff_t stride, ptrdiff_t columns, ptrdiff_t k,
                                  float *out);
  void (*dots)(const ck_dots *dots);
  /// y = Σ x[p·stride_x] · row p of B [k × n], or y += it.
  void (*combine_rows)(ptrdiff_t k, ptrdiff_t n, const float *x, ptrdiff_t stride_x,
                       const float *b, ptrdiff_t stride_b, bool adds, float *y);
  /// y[i] = rows[first + i] · x.
  void (*row_dots)(const ck_rows *rows, ptrdiff_t first, ptrdiff_t count, const float *x, float *y);
  /// The size of a vector arranged for packed rows, or 0 when row_dots must serve them.
  ptrdiff_t (*arranged_floats)(const ck_rows *rows);
  void (*arrange)(ptrdiff_t n, const float *x, float *out);
  void (*arranged_dots)(const ck_rows *rows, ptrdiff_t first, ptrdiff_t count, const float *x,
                        float *y);
  void (*expand_row)(const ck_rows *rows, ptrdiff_t row, ptrdiff_t column, ptrdiff_t count,
                     float *out);
  float (*attend_row)(float *scores, ptrdiff_t first, ptrdiff_t end, ptrdiff_t count,
                      float *maximum, float *sum);
  void (*cap_scores)(ptrdiff_t n, float cap, float *scores);
  void (*mask_scores)(ptrdiff_t n, const uint8_t *allowed, float *scores);
  /// Whether coded_dots and add_coded may take rows of these grids [rows × 2].
  bool (*has_plain_grids)(ptrdiff_t rows, const float *grids);
  /// step · (code − zero) of rows of any width and any grid.
  void (*expand_coded)(ptrdiff_t rows, ptrdiff_t width, const uint8_t *codes, const float *grids,
                       float *out);
  /// y[v, r] = row r · x[v]; y has room for a multiple of four rows.
  void (*coded_dots)(const ck_coded *coded);
  /// y[v] += Σ x[v, r] · row r; x is overwritten.
  void (*add_coded)(const ck_coded *coded);
  void (*attend_gradient)(ptrdiff_t n, float log_sum, float delta, float *scores, float *products);
  void (*cap_gradient)(ptrdiff_t n, float cap, const float *capped, float *gradient);
  void (*rotate_halves)(ptrdiff_t half, const float *cosines, const float *sines, float sign,
                        const float *x, float *out);
  void (*rotate_neighbours)(ptrdiff_t half, const float *cosines, const float *sines, float sign,
                            const float *x, float *out);
  // Convolutions.
  ptrdiff_t few_channels;  // at most so many channels take few_channel_tile
  int run_limit, few_runs;
  int (*run_count)(int length);
  void (*run_tile)(const ck_run_tile *tile);
  void (*added_run_tile)(const ck_run_tile *tile);
  void (*few_channel_tile)(const ck_run_tile *tile);
  void (*run_dots)(const ck_run_dots *dots);
  void (*pack_window)(const ck_window *window);
  void (*interleave)(ptrdiff_t count, ptrdiff_t phases, const float *from, ptrdiff_t stride,
                     float *to);
  void (*sum_transposed)(const ck_partial_sums *sums);
  // Sparse convolutions.
  ptrdiff_t outer_rows;
  void (*gather_multiply)(const ck_gathered *pairs);
  void (*gather_outer)(const ck_gathered_outer *pairs);
#define CK_FIELD(result, name, parameters, arguments) result(*name) parameters;
  CK_DISPATCHED(CK_FIELD)
#undef CK_FIELD
} ck_table;

extern const ck_table ck_table_baseline;
#if defined(__x86_64__)
extern const ck_table ck_table_avx2, ck_table_avx512;
#endif

/// The table in use.
const ck_table *ck_current(void);

#endif
