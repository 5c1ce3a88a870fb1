// The numeric inner loops of Apus.
//
// One source per concern, written with clang vector extensions and compiled once per instruction
// set; `ck_isa` names the table that was chosen when the process started. All matrices are
// row-major; `stride` is the distance between two rows in elements. Outputs never overlap inputs
// unless a function says so.
#ifndef CKERNELS_H
#define CKERNELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "decoder_block.h"
#include "interleaved_matrix.h"
#include "sparse_convolution.h"

// MARK: - Instruction set

/// The name of the instruction set in use: "avx512", "avx2", "neon" or "baseline".
///
/// Chosen once, from the CPU. The environment variable APUS_KERNELS (baseline, avx2, avx512) lowers
/// the choice, never raises it above what the CPU offers.
const char *ck_isa(void);

// MARK: - Threads

/// One part of a parallel job; `part` counts from 0.
typedef void (*ck_part)(void *context, ptrdiff_t part)
    __attribute__((swift_attr("@Sendable")));

/// Runs `parts` calls of `body`, shared between the caller and the pool's workers.
///
/// Returns when every part is done. The caller works too and never waits for a worker that did not
/// enter the job. Each thread takes neighbouring parts first, in ascending order, then what is left of
/// the others'. A call from inside a part, or while another thread's job holds the pool, runs
/// serially on the caller. Parts may run in any order: they must not depend on each other.
void ck_parallel(ptrdiff_t parts, ck_part body, void *context);

/// The number of threads that a job may use, the caller included. Default: the available cores, or
/// APUS_THREADS.
int ck_thread_count(void);

/// Changes the number of threads; 1 means that no worker ever runs. Results do not depend on it.
void ck_set_thread_count(int count);

// MARK: - Matrix products

/// C = op(A) · op(B) + beta · C, where op transposes on demand. m×n = (m×k)·(k×n), beta 0 or 1.
void ck_sgemm(bool transpose_a, bool transpose_b, ptrdiff_t m, ptrdiff_t n, ptrdiff_t k,
              const float *a, ptrdiff_t stride_a, const float *b, ptrdiff_t stride_b, float beta,
              float *c, ptrdiff_t stride_c);

/// How the rows of a weight matrix are stored.
typedef enum {
  CK_FLOAT32 = 0,
  CK_FLOAT16 = 1,
  CK_BFLOAT16 = 2,
  /// Unsigned codes of `bits` bits: code i of a row starts at bit i·bits of the row, little-endian,
  /// rows padded to 32 bits. value = scale[row/row_group, column/group] · (code − zero[same]).
  CK_PACKED = 3,
  /// Planes of signs, `bits` of them: row r holds plane i in ⌈column_count/32⌉ words from word
  /// r·row_stride + i·⌈column_count/32⌉ on; a set bit is +1, a clear one −1.
  /// value = zero[row, group] + Σ_i scale[row, group, i] · sign_i.
  CK_BINARY = 4,
} ck_storage;

/// The rows of a weight matrix [row_count × column_count] in any storage.
typedef struct {
  ck_storage storage;
  ptrdiff_t row_count, column_count;
  const void *data;
  ptrdiff_t row_stride;  // elements; for CK_PACKED and CK_BINARY 32-bit words
  // CK_PACKED and CK_BINARY only:
  int bits;              // 1 … 8
  ptrdiff_t group_size;  // columns that share a scale; the last group of a row may be short
  const float *scale;    // [row_count or 1] × [groups]; CK_BINARY: [row_count × groups × bits]
  // CK_PACKED: as scale, or NULL when all are 2^(bits−1). CK_BINARY: [row_count × groups], or NULL
  // when all are 0.
  const float *zero;
  ptrdiff_t scale_stride;  // scales per row, or 0 when one scale serves the whole CK_PACKED matrix
} ck_rows;

/// Expands columns [column, column + count) of `row` into `out`.
void ck_expand_row(const ck_rows *rows, ptrdiff_t row, ptrdiff_t column, ptrdiff_t count,
                   float *out);

/// Y = X · Wᵀ + bias. X [m × column_count], W [row_count × column_count], Y [m × row_count]; bias
/// may be NULL. One row of X takes the matrix-vector path, which reads W once, in place. Y [i] is
/// the same bits for any thread count.
void ck_linear(const ck_rows *w, ptrdiff_t m, const float *x, ptrdiff_t stride_x,
               const float *bias, float *y, ptrdiff_t stride_y);

/// X = Y · W, the gradient of the input of `ck_linear`; rows are expanded while they are packed, W
/// as a whole never is. Y [m × row_count], W [row_count × column_count], X [m × column_count].
void ck_linear_gradient(const ck_rows *w, ptrdiff_t m, const float *y, ptrdiff_t stride_y,
                        float *x, ptrdiff_t stride_x);

// MARK: - Attention

/// Rows of 8-bit codes, x = step · (code − zero), with a step and a zero point for each row.
typedef struct {
  const uint8_t *codes;  // or NULL: there are none
  const float *grids;    // step and zero point of the row from code i on are at 2 · i / width
} ck_coded_rows;

/// Grouped-query causal attention against a key/value cache.
typedef struct {
  ptrdiff_t query_count;     // queries in this call
  ptrdiff_t first_position;  // position of query 0; keys 0 … first_position + query_count − 1 exist
  ptrdiff_t head_count, key_head_count, head_width;
  ptrdiff_t window;  // query i sees keys j with 0 ≤ i − j < window; 0 = all
  float scale;       // applied to q·k
  float soft_cap;    // cap·tanh(s/cap) after the scale, before the mask; 0 = none
  const float *q;    // [query_count × (head_count·head_width)]
  ptrdiff_t stride_q;
  const float *k, *v;        // [key_head_count × capacity × head_width]
  ck_coded_rows k_codes, v_codes;  // instead of k or v, likewise
  ptrdiff_t stride_key_head; // capacity · head_width
  float *out;                // [query_count × (head_count·head_width)]
  ptrdiff_t stride_out;
} ck_attention_arguments;

/// softmax(scale · Q Kᵀ + mask) V without a T×T buffer; threads inside.
void ck_attention(const ck_attention_arguments *arguments);

/// Where the rows of heads lie: element i of row t of head h of batch b is at
/// b · batch + h · head + t · row + i.
typedef struct {
  ptrdiff_t batch, head, row;
} ck_head_strides;

/// softmax(cap(scale · Q Kᵀ) + mask) V for a batch of sequences and groups of heads: query head h
/// takes key head h / (head_count / key_head_count).
typedef struct {
  ptrdiff_t batch_count, head_count, key_head_count, query_count, key_count, head_width;
  float scale;     // applied to q·k
  float soft_cap;  // cap·tanh(s/cap) after the scale, before the mask; 0 = none
  bool causal;     // query t, at position p = t + key_count − query_count, sees keys j ≤ p
  ptrdiff_t window;           // and |p − j| < window; 0 = all
  const int32_t *key_lengths; // [batch_count] or NULL: keys j < key_lengths[b]
  const uint8_t *allowed;     // keys that are not 0, or NULL
  const float *bias;          // added to the scores, or NULL
  ck_head_strides mask_strides;  // of `allowed` or `bias`, whose rows hold key_count elements
  const float *q, *k, *v;
  ck_coded_rows k_codes, v_codes;  // instead of k or v, whose row stride is head_width; forward only
  ck_head_strides q_strides, k_strides, v_strides;
  float *out;
  ck_head_strides out_strides;
  float *log_sum_exp;  // [batch_count × head_count × query_count] or NULL; −∞ where no key is seen
} ck_attention_problem;

/// Computes `out` and `log_sum_exp` without a T×T buffer; threads inside. A row that sees no key is
/// zero.
void ck_attention_forward(const ck_attention_problem *problem);

/// The gradients of attention, from its operands, `out` and `log_sum_exp`.
typedef struct {
  const ck_attention_problem *problem;
  const float *out_gradient;
  ck_head_strides out_gradient_strides;
  float *q_gradient, *k_gradient, *v_gradient;
  ck_head_strides q_gradient_strides, k_gradient_strides, v_gradient_strides;
} ck_attention_gradients;

/// Overwrites the three gradients, without a T×T buffer; threads inside.
void ck_attention_backward(const ck_attention_gradients *gradients);

/// Rotary embedding of the first `rotated_width` (even) elements of every head; the rest is copied.
typedef struct {
  ptrdiff_t batch_count, head_count, row_count, head_width, rotated_width;
  bool neighbours;  // pairs (2i, 2i + 1); else (i, i + rotated_width/2)
  bool backward;    // turns by the negative angles
  const float *cosines, *sines;  // rows of rotated_width/2, one per row of a sequence
  ptrdiff_t table_stride;        // between the tables of two sequences; 0 = one for all
  const float *x;
  ck_head_strides x_strides;
  float *out;  // may be x
  ck_head_strides out_strides;
} ck_rotary;

void ck_rotate(const ck_rotary *arguments);

// MARK: - Convolutions (threads inside)

/// A convolution between an image and its features, both [batch × channels × height × width] with
/// contiguous rows:
///   features[n, o, y, x] = Σ_{i, ky, kx} weight[o, i, ky, kx]
///                          · image[n, i, y·stride + ky·dilation − padding, x …]
/// where image channel i runs over the group of o and pixels outside the image are zero. The weight
/// is [feature_channels × (image_channels / groups) × kernel_height × kernel_width].
typedef struct {
  ptrdiff_t batch, groups;
  ptrdiff_t image_channels, image_height, image_width;
  ptrdiff_t feature_channels, feature_height, feature_width;
  ptrdiff_t kernel_height, kernel_width;
  ptrdiff_t stride_height, stride_width;
  ptrdiff_t padding_height, padding_width;  // before the first row and column
  ptrdiff_t dilation_height, dilation_width;
} ck_convolution;

/// features = the convolution of the image, plus a bias per feature channel unless it is NULL.
void ck_convolve(const ck_convolution *shape, const float *image, const float *weight,
                 const float *bias, float *features);
/// image = the transposed convolution of the features, the gradient of the image in a convolution;
/// plus a bias per image channel unless it is NULL.
void ck_convolve_transposed(const ck_convolution *shape, const float *features,
                            const float *weight, const float *bias, float *image);
/// The gradient of the weight, Σ over batch and pixels of features · image; one of the two is a
/// gradient.
void ck_convolve_weight(const ck_convolution *shape, const float *image, const float *features,
                        float *weight);
/// sums[c] = Σ over batch and plane of x [batch × channels × plane].
void ck_channel_sums(ptrdiff_t batch, ptrdiff_t channels, ptrdiff_t plane, const float *x,
                     float *sums);

// MARK: - Channels and planes of images (one thread; callers split channels)

/// Channels first ..< first + count of x [batch × channels × plane]. Arrays of one value per channel
/// hold those `count` alone. Sums are taken in a fixed order, in double beyond short pieces.
typedef struct {
  ptrdiff_t batch, channels, plane, first, count;
} ck_channels;

/// Mean and variance (by the number of elements) of each channel.
void ck_channel_moments(const ck_channels *channels, const float *x, float *mean,
                        float *variance);
/// out = (x − mean) · scale + shift.
void ck_channel_normalize(const ck_channels *channels, const float *x, const float *mean,
                          const float *scale, const float *shift, float *out);
/// Σ gradient and Σ gradient · (x − mean) of each channel.
void ck_channel_products(const ck_channels *channels, const float *x, const float *gradient,
                         const float *mean, double *sums, double *products);
/// Factors of each channel.
typedef struct {
  const float *gradient, *deviation, *constant;
} ck_channel_terms;
/// out = terms.gradient · gradient + terms.deviation · (x − mean) + terms.constant.
void ck_channel_gradient(const ck_channels *channels, const float *x, const float *gradient,
                         const float *mean, const ck_channel_terms *terms, float *out);

/// A window that takes the largest element of a plane [height × width].
typedef struct {
  ptrdiff_t height, width, out_height, out_width, kernel_height, kernel_width;
  ptrdiff_t stride_height, stride_width, padding_height, padding_width;
  ptrdiff_t dilation_height, dilation_width;
} ck_max_pooling;
/// The largest element under each place of the window and its index in the plane: the first of
/// equal ones; NaN counts as largest. Every place must cover an element.
void ck_max_pool(const ck_max_pooling *pooling, const float *x, float *out, int32_t *index);

/// Sums of weighted rows and columns: result y takes rows row_index[t] with row_weight[t] for t in
/// row_first[y] ..< row_first[y + 1], at least one; the same for columns.
typedef struct {
  ptrdiff_t height, width, out_height, out_width;
  const int32_t *row_first, *row_index, *column_first, *column_index;
  const float *row_weight, *column_weight;
} ck_resampling;
/// out [out_height × out_width] from x [height × width]; scratch holds a row of x.
void ck_resample(const ck_resampling *resampling, const float *x, float *scratch, float *out);
/// The transpose: adds to out [height × width] what x [out_height × out_width] sends back.
void ck_resample_transposed(const ck_resampling *resampling, const float *x, float *scratch,
                            float *out);

// MARK: - Vector functions (one thread; callers split long vectors)

void ck_add(ptrdiff_t n, const float *a, const float *b, float *out);
/// out = a · x + b
void ck_scale_shift(ptrdiff_t n, const float *x, float a, float b, float *out);

// Reductions use a fixed order of partial sums: the same bits on every run.
float ck_sum(ptrdiff_t n, const float *x);
float ck_dot(ptrdiff_t n, const float *a, const float *b);
/// Smallest and largest value; (+inf, −inf) when n = 0. NaN is ignored.
void ck_min_max(ptrdiff_t n, const float *x, float *minimum, float *maximum);
/// log Σ exp(x), with the maximum subtracted.
float ck_log_sum_exp(ptrdiff_t n, const float *x);

// MARK: - Elementwise

/// Two operands of [rows × n] results. An operand has a row every row_a (row_b) elements, 0 when all
/// rows share one; within a row n elements, or the same one n times.
typedef struct {
  ptrdiff_t rows, n;
  const float *a, *b;
  ptrdiff_t row_a, row_b;
  bool one_a, one_b;  // at most one of them
} ck_pair;

/// What ck_combine does with two operands; NaN in either gives NaN.
enum ck_combination {
  CK_ADD = 0,
  CK_SUBTRACT = 1,
  CK_MULTIPLY = 2,
  CK_DIVIDE = 3,
  CK_LESSER = 4,
  CK_GREATER = 5,
};
/// out [rows × n] = a ∘ b; `out` may be an operand that has every element.
void ck_combine(int operation, const ck_pair *pair, float *out);

/// What ck_compare asks; NaN differs from everything.
enum ck_comparison {
  CK_IS_LESS = 0,
  CK_IS_AT_MOST = 1,
  CK_IS_GREATER = 2,
  CK_IS_AT_LEAST = 3,
  CK_IS_EQUAL = 4,
  CK_IS_DIFFERENT = 5,
};
/// out [rows × n] = 1 where the comparison holds, else 0.
void ck_compare(int operation, const ck_pair *pair, uint8_t *out);

/// Functions of one number; NaN stays NaN. What the slope is computed from stands behind each.
enum ck_function {
  CK_ABSOLUTE = 0,           // x
  CK_SQUARE = 1,             // x
  CK_SQUARE_ROOT = 2,        // y
  CK_RECIPROCAL = 3,         // y
  CK_RECIPROCAL_ROOT = 4,    // y
  CK_SIGN = 5,               // none: 0 and NaN stay what they are
  CK_FLOOR = 6,              // none
  CK_CEILING = 7,            // none
  CK_ROUND = 8,              // none; ties to even
  CK_CLAMP = 9,              // x; to [low, high]
  CK_EXP = 10,               // y
  CK_EXPM1 = 11,             // y
  CK_LOG = 12,               // x
  CK_LOG1P = 13,             // x
  CK_SINE = 14,              // x
  CK_COSINE = 15,            // x
  CK_TANH = 16,              // y
  CK_SIGMOID = 17,           // y
  CK_ERF = 18,               // x
  CK_RELU = 19,              // y
  CK_LEAKY_RELU = 20,        // x; low · x below 0
  CK_ELU = 21,               // y; low · (exp(x) − 1) below 0
  CK_GELU = 22,              // x; by erf
  CK_GELU_TANH = 23,         // x
  CK_SILU = 24,              // x
  CK_SOFTPLUS = 25,          // x
};
/// out = function(x); `out` may be `x`.
///
/// Largest errors in units in the last place: exp, expm1, log, log1p, sine and cosine 2, tanh,
/// sigmoid, erf and softplus 3, silu and elu 4, gelu 5 and its tanh form 8 down to −2; in their
/// tails, where exp(−x²/2) carries the rounding of x², 30.
void ck_apply(int function, ptrdiff_t n, const float *x, float low, float high, float *out);
/// out = gradient · slope of the function, from x or from its result; `out` may be `gradient`.
void ck_apply_slope(int function, ptrdiff_t n, const float *saved, const float *gradient, float low,
                    float high, float *out);
/// out = x to a finite power; `out` may be `x`.
void ck_power(ptrdiff_t n, const float *x, float exponent, float *out);

/// out = function(gate) · up; `out` may be an operand. One of CK_SIGMOID, CK_RELU, CK_GELU,
/// CK_GELU_TANH and CK_SILU.
void ck_gate(int function, ptrdiff_t n, const float *gate, const float *up, float *out);
/// The gradients of both; each may be one of the inputs.
void ck_gate_slopes(int function, ptrdiff_t n, const float *gate, const float *up,
                    const float *gradient, float *gate_gradient, float *up_gradient);

// MARK: - Random numbers

/// A stream of Philox 4×32-10.
typedef struct {
  uint32_t key0, key1;
  uint64_t stream;
} ck_random;
/// The words of the elements from 64 · chunk on: element i has word (i mod 64) / 16 of block
/// (i / 64) · 16 + i mod 16.
void ck_random_words(const ck_random *source, ptrdiff_t n, uint64_t chunk, uint32_t *out);
/// out = x · scale where an element's word is at least `threshold`, else 0; `out` may be `x`. The
/// first element is number 64 · chunk.
void ck_dropout(const ck_random *source, ptrdiff_t n, uint64_t chunk, uint32_t threshold,
                float scale, const float *x, float *out);

/// out += factor · x
void ck_add_scaled(ptrdiff_t n, const float *x, float factor, float *out);

/// What ck_reduce_rows and ck_reduce_columns compute, in a fixed order.
enum ck_reduction {
  CK_SUM = 0,
  CK_SQUARES = 1,  // Σ (x − centre)²
  CK_PRODUCT = 2,
  CK_MAXIMUM = 3,  // NaN when an element is NaN
  CK_MINIMUM = 4,
};
/// out[row] = the reduction of n elements; rows lie `stride` apart. `centre` [rows] for CK_SQUARES.
void ck_reduce_rows(int reduction, ptrdiff_t rows, ptrdiff_t n, const float *x, ptrdiff_t stride,
                    const double *centre, double *out);
/// Continues out [n] by the reduction of the columns; the caller sets the start: 0, 1 or ∓infinity.
void ck_reduce_columns(int reduction, ptrdiff_t rows, ptrdiff_t n, const float *x,
                       ptrdiff_t stride, const double *centre, double *out);
/// The first index of the largest (or smallest) of each row's n ≥ 1 elements; a NaN comes first.
void ck_arg_rows(bool largest, ptrdiff_t rows, ptrdiff_t n, const float *x, int32_t *out);
/// The same for the columns of rows ≥ 1 rows.
void ck_arg_columns(bool largest, ptrdiff_t rows, ptrdiff_t n, const float *x, ptrdiff_t stride,
                    int32_t *out);

/// out [columns × rows] = xᵀ, any elements of four bytes.
void ck_transpose(ptrdiff_t rows, ptrdiff_t columns, const uint32_t *x, ptrdiff_t stride,
                  uint32_t *out, ptrdiff_t out_stride);

// MARK: - Row functions (one thread; callers split rows)

/// out = softmax(scale · x) of each row, or its logarithm; `out` may be `x`. NaN gives NaN.
void ck_softmax_rows(bool logarithm, ptrdiff_t rows, ptrdiff_t n, const float *x, float scale,
                     float *out);
/// The gradient of x from `y`, the result of ck_softmax_rows, and its gradient; `out` may be
/// `gradient`.
void ck_softmax_gradient_rows(bool logarithm, ptrdiff_t rows, ptrdiff_t n, const float *y,
                              float scale, const float *gradient, float *out);

/// out = (weight + weight_offset) ⊙ (x − mean) / sqrt(mean((x − mean)²) + epsilon) + bias for rows of
/// n elements; without `centres` the mean is 0 (RMS norm).
typedef struct {
  ptrdiff_t rows, n;
  const float *x;
  const float *residual;  // [rows × n] to add to x first, or NULL
  float *sum;             // [rows × n], x + residual; may be x or the residual; NULL without one
  const float *weight, *bias;  // [n], or NULL for 1 and 0
  float weight_offset, epsilon;
  bool centres;
  float *means, *inverses;  // [rows], what the gradient needs; or NULL
  float *out;               // may be x
} ck_norm;
void ck_norm_rows(const ck_norm *norm);

/// The gradients of ck_norm_rows from that of its result.
typedef struct {
  ptrdiff_t rows, n;
  const float *x;                // the sum, where there was a residual
  const float *weight;           // [n], or NULL
  float weight_offset;
  const float *means, *inverses;  // [rows]; no means for RMS norm
  const float *gradient;
  float *out;                       // the gradient of x, may be `gradient`; or NULL
  bool adds;                        // adds to `out`, which is not `gradient`
  float *weight_sums, *bias_sums;  // [n], added to; or NULL
} ck_norm_gradient;
void ck_norm_gradient_rows(const ck_norm_gradient *norm);

/// Cross-entropy of rows of n logits: the loss of each row and the gradient of its logits.
typedef struct {
  ptrdiff_t rows, n;
  const float *logits;
  const int32_t *targets;  // [rows], in 0 ..< n or `ignored`, which gives zeros
  int32_t ignored;
  float smoothing;       // ε: the share of the target that all classes divide
  float square_factor;   // z: adds z · lse²
  float factor;          // of every row's gradient
  const float *factors;  // [rows], instead of `factor`; or NULL
  float *losses;         // [rows], or NULL
  float *gradient;       // [rows × n], may be `logits`; or NULL
} ck_cross_entropy;
void ck_cross_entropy_rows(const ck_cross_entropy *job);

/// The losses of elements; NaN in either operand gives NaN.
enum ck_loss_kind {
  CK_LOSS_SQUARED = 0,
  CK_LOSS_ABSOLUTE = 1,  // its derivative at 0 is 0
  CK_LOSS_HUBER = 2,     // quadratic up to `parameter`
  CK_LOSS_BINARY = 3,    // cross-entropy of sigmoid(x), positives times `weights`
  CK_LOSS_HINGE = 4,     // max(0, 1 − target · x)
  CK_LOSS_DIVERGENCE = 5,      // target · (log target − x)
  CK_LOSS_LOG_DIVERGENCE = 6,  // the same from log target
};
typedef struct {
  ptrdiff_t n;
  const float *x, *target;
  const float *weights;  // [n], or NULL for 1
  float parameter;
  const float *upstream;  // [n], gradients of the losses, or NULL for 1
  float factor;           // of all gradients
  float *out;             // the losses, or NULL; the gradient of x, which may be `upstream`
} ck_loss;
/// Σ of the losses, and each one to `out`.
double ck_loss_sum(int kind, const ck_loss *job);
void ck_loss_gradient(int kind, const ck_loss *job);
/// out [rows] = x · y / (|x| |y|), sizes of at least epsilon.
void ck_cosine_rows(ptrdiff_t rows, ptrdiff_t n, const float *x, const float *y, float epsilon,
                    float *out);
/// The gradient of x from that of the cosines [rows].
void ck_cosine_gradient_rows(ptrdiff_t rows, ptrdiff_t n, const float *x, const float *y,
                             float epsilon, const float *gradient, float *out);
/// Rotates pairs (i, i + width/2) of every head of one row in place, by cosines and sines
/// [width/2]: x'_i = x_i cos − x_{i+w/2} sin, x'_{i+w/2} = x_{i+w/2} cos + x_i sin.
void ck_rotate_half(ptrdiff_t heads, ptrdiff_t width, const float *cosines, const float *sines,
                    float *x);

// MARK: - Steps of optimizers (one thread; callers split long tensors)

// Elements first ..< first + n change in place. Nothing is contracted to multiply-adds: the bits are
// the same on every instruction set, wherever the caller splits.

/// g += decay · value, when the decay is coupled;
/// mean += mean_rate · (g − mean); square += square_rate · (g² − square);
/// value −= step_size · mean / (root_scale · √square + epsilon), and by decay · value otherwise.
typedef struct {
  float *value;
  const float *gradient;
  float *mean, *square;
  float mean_rate, square_rate;  // 1 − β
  float step_size, root_scale, epsilon;
  float decay;
  bool is_coupled;
} ck_adam;
void ck_adam_step(const ck_adam *step, ptrdiff_t first, ptrdiff_t n);

/// g += decay · value; velocity = momentum · velocity + g; value −= rate · velocity, or, looking
/// ahead (Nesterov), rate · (g + momentum · velocity). Without a velocity value −= rate · g.
typedef struct {
  float *value;
  const float *gradient;
  float *velocity;  // or NULL
  float rate, momentum, decay;
  bool looks_ahead;
} ck_sgd;
void ck_sgd_step(const ck_sgd *step, ptrdiff_t first, ptrdiff_t n);

/// c = mean + blend_rate · (g − mean); value −= rate · sign(c) + decay · value;
/// mean += mean_rate · (g − mean).
typedef struct {
  float *value;
  const float *gradient;
  float *mean;
  float blend_rate, mean_rate;  // 1 − β
  float rate, decay;
} ck_lion;
void ck_lion_step(const ck_lion *step, ptrdiff_t first, ptrdiff_t n);

// MARK: - Conversions (one thread)

void ck_float16_to_float32(ptrdiff_t n, const uint16_t *x, float *out);
/// Round to nearest even; overflow becomes infinity; NaN stays NaN.
void ck_float32_to_float16(ptrdiff_t n, const float *x, uint16_t *out);
void ck_bfloat16_to_float32(ptrdiff_t n, const uint16_t *x, float *out);
/// Round to nearest even; NaN stays NaN.
void ck_float32_to_bfloat16(ptrdiff_t n, const float *x, uint16_t *out);

// MARK: - Round to nearest

/// code = clamp(round_half_even(x / scale) + zero, 0, 2^bits − 1), one scale for the n values.
void ck_quantize(ptrdiff_t n, const float *x, float scale, float zero, int bits, uint8_t *codes);
/// Sum over the n values of (x − scale·(code − zero))², without writing codes.
double ck_quantization_error(ptrdiff_t n, const float *x, float scale, float zero, int bits);
/// Sum of |x − scale·(code − zero)|^exponent, 0 ≤ zero < 2^bits; a value above `limit`, not the whole
/// sum, once the sum has passed it.
double ck_quantization_power_error(ptrdiff_t n, const float *x, float scale, float zero, int bits,
                                   float exponent, double limit);

/// A row of weights whose rounding is learned:
///   u = x / (base · exp(first + full + row + column))
///   value = step · clamp(round_half_even(u), low, high)
typedef struct {
  ptrdiff_t n, group;          // columns, and how many share what follows last
  const float *x;              // [n]
  const float *full, *column;  // [n] each, or NULL for zeros
  float row;
  const float *base, *first, *step, *low, *high;  // one per group; low ≤ 0 ≤ high
} ck_rounding;

/// Writes the values [n], and u [n] unless it is NULL.
void ck_round_learned(const ck_rounding *rounding, float *u, float *value);

/// What comes back from the gradient of the values when round is taken for the identity; the bounds
/// count as inside.
typedef struct {
  const float *gradient, *u;  // [n]
  float *shift;  // [n], of the exponent: −gradient · step · u inside, else 0; or NULL
  float *input;  // [n], of u · step: the gradient inside, else 0; or NULL
  float *step;   // one per group: Σ gradient · (clamped integer − u inside); or NULL
} ck_rounding_gradient;

/// Fills what is not NULL and returns Σ shift. Of `rounding`, x and the exponents are not read.
double ck_round_learned_gradient(const ck_rounding *rounding,
                                 const ck_rounding_gradient *gradient);
/// Packs n codes (values below 2^bits) into a row of CK_PACKED words, zero padded.
void ck_pack(ptrdiff_t n, const uint8_t *codes, int bits, uint32_t *words);
void ck_unpack(ptrdiff_t n, const uint32_t *words, int bits, uint8_t *codes);

// MARK: - Probes (benchmarks)

/// Runs independent multiply-add chains in registers for about `seconds` on this thread and returns
/// the floating-point operations per second: the peak that a kernel can be measured against.
double ck_probe_fma(double seconds);
/// Sums n floats; returns the sum. Reads at the memory's speed.
double ck_probe_read(ptrdiff_t n, const float *x);

#endif
