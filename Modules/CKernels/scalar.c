// Every kernel in plain C, one element at a time: the meaning of each function.
#include <math.h>
#include <string.h>
#include <time.h>

#include "include/CKernels.h"

const char *ck_isa(void) { return "baseline"; }

void ck_sgemm(bool transpose_a, bool transpose_b, ptrdiff_t m, ptrdiff_t n, ptrdiff_t k,
              const float *a, ptrdiff_t stride_a, const float *b, ptrdiff_t stride_b, float beta,
              float *c, ptrdiff_t stride_c) {
  for (ptrdiff_t i = 0; i < m; i++) {
    float *row = c + i * stride_c;
    if (beta == 0) {
      for (ptrdiff_t j = 0; j < n; j++) row[j] = 0;
    }
    for (ptrdiff_t p = 0; p < k; p++) {
      float left = transpose_a ? a[p * stride_a + i] : a[i * stride_a + p];
      for (ptrdiff_t j = 0; j < n; j++) {
        row[j] += left * (transpose_b ? b[j * stride_b + p] : b[p * stride_b + j]);
      }
    }
  }
}

static float float16_value(uint16_t bits) {
  int exponent = (bits >> 10) & 31, fraction = bits & 1023;
  uint32_t sign = (uint32_t)(bits >> 15) << 31, out;
  if (exponent == 31) {
    out = sign | 0x7f800000u | (uint32_t)fraction << 13 | (fraction ? 0x400000u : 0);
  } else if (exponent == 0) {
    float magnitude = (float)fraction * 0x1p-24f;
    memcpy(&out, &magnitude, 4);
    out |= sign;
  } else {
    out = sign | (uint32_t)(exponent + 112) << 23 | (uint32_t)fraction << 13;
  }
  float value;
  memcpy(&value, &out, 4);
  return value;
}

static float bfloat16_value(uint16_t bits) {
  uint32_t wide = (uint32_t)bits << 16;
  float value;
  memcpy(&value, &wide, 4);
  return value;
}

static unsigned code_at(const uint32_t *words, ptrdiff_t index, int bits) {
  ptrdiff_t bit = index * bits;
  uint64_t window = words[bit / 32];
  if (bit % 32 + bits > 32) window |= (uint64_t)words[bit / 32 + 1] << 32;
  return (unsigned)(window >> (bit % 32)) & ((1u << bits) - 1);
}

static float packed_value(const ck_rows *rows, ptrdiff_t row, ptrdiff_t column) {
  const uint32_t *words = (const uint32_t *)rows->data + row * rows->row_stride;
  ptrdiff_t group = rows->scale_stride ? row * rows->scale_stride + column / rows->group_size : 0;
  float zero = rows->zero ? rows->zero[group] : (float)(1 << (rows->bits - 1));
  return rows->scale[group] * ((float)code_at(words, column, rows->bits) - zero);
}

void ck_expand_row(const ck_rows *rows, ptrdiff_t row, ptrdiff_t column, ptrdiff_t count,
                   float *out) {
  for (ptrdiff_t i = 0; i < count; i++) {
    ptrdiff_t at = row * rows->row_stride + column + i;
    switch (rows->storage) {
      case CK_FLOAT32: out[i] = ((const float *)rows->data)[at]; break;
      case CK_FLOAT16: out[i] = float16_value(((const uint16_t *)rows->data)[at]); break;
      case CK_BFLOAT16: out[i] = bfloat16_value(((const uint16_t *)rows->data)[at]); break;
      case CK_PACKED: out[i] = packed_value(rows, row, column + i); break;
    }
  }
}

void ck_linear(const ck_rows *w, ptrdiff_t m, const float *x, ptrdiff_t stride_x,
               const float *bias, float *y, ptrdiff_t stride_y) {
  float chunk[256];
  for (ptrdiff_t row = 0; row < w->row_count; row++) {
    for (ptrdiff_t i = 0; i < m; i++) y[i * stride_y + row] = bias ? bias[row] : 0;
    for (ptrdiff_t start = 0; start < w->column_count; start += 256) {
      ptrdiff_t count = w->column_count - start < 256 ? w->column_count - start : 256;
      ck_expand_row(w, row, start, count, chunk);
      for (ptrdiff_t i = 0; i < m; i++) {
        y[i * stride_y + row] += ck_dot(count, chunk, x + i * stride_x + start);
      }
    }
  }
}

static void attend(const ck_attention_arguments *a, ptrdiff_t query, ptrdiff_t head) {
  ptrdiff_t width = a->head_width, position = a->first_position + query;
  ptrdiff_t first = a->window > 0 && position >= a->window ? position - a->window + 1 : 0;
  ptrdiff_t key_head = head / (a->head_count / a->key_head_count);
  const float *q = a->q + query * a->stride_q + head * width;
  const float *k = a->k + key_head * a->stride_key_head;
  const float *v = a->v + key_head * a->stride_key_head;
  float *out = a->out + query * a->stride_out + head * width;
  float maximum = -INFINITY, sum = 0;
  for (ptrdiff_t i = 0; i < width; i++) out[i] = 0;
  for (ptrdiff_t j = first; j <= position; j++) {
    float score = a->scale * ck_dot(width, q, k + j * width);
    if (a->soft_cap > 0) score = a->soft_cap * tanhf(score / a->soft_cap);
    float larger = score > maximum ? score : maximum;
    float old = expf(maximum - larger), weight = expf(score - larger);
    sum = sum * old + weight;
    for (ptrdiff_t i = 0; i < width; i++) out[i] = out[i] * old + weight * v[j * width + i];
    maximum = larger;
  }
  if (sum > 0) ck_scale_shift(width, out, 1 / sum, 0, out);
}

void ck_attention(const ck_attention_arguments *arguments) {
  for (ptrdiff_t query = 0; query < arguments->query_count; query++) {
    for (ptrdiff_t head = 0; head < arguments->head_count; head++) attend(arguments, query, head);
  }
}

#define EACH(name, expression)                                                \
  void name(ptrdiff_t n, const float *a, const float *b, float *out) {        \
    for (ptrdiff_t i = 0; i < n; i++) out[i] = (expression);                  \
  }
EACH(ck_add, a[i] + b[i])
EACH(ck_subtract, a[i] - b[i])
EACH(ck_multiply, a[i] * b[i])
EACH(ck_divide, a[i] / b[i])
EACH(ck_silu_multiply, a[i] / (1 + expf(-a[i])) * b[i])
#undef EACH

void ck_scale_shift(ptrdiff_t n, const float *x, float a, float b, float *out) {
  for (ptrdiff_t i = 0; i < n; i++) out[i] = a * x[i] + b;
}

void ck_exp(ptrdiff_t n, const float *x, float *out) {
  for (ptrdiff_t i = 0; i < n; i++) out[i] = expf(x[i]);
}

void ck_silu(ptrdiff_t n, const float *x, float *out) {
  for (ptrdiff_t i = 0; i < n; i++) out[i] = x[i] / (1 + expf(-x[i]));
}

void ck_gelu_tanh(ptrdiff_t n, const float *x, float *out) {
  for (ptrdiff_t i = 0; i < n; i++) {
    float inner = 0.7978845608f * (x[i] + 0.044715f * x[i] * x[i] * x[i]);
    out[i] = 0.5f * x[i] * (1 + tanhf(inner));
  }
}

float ck_sum(ptrdiff_t n, const float *x) {
  double sum = 0;
  for (ptrdiff_t i = 0; i < n; i++) sum += x[i];
  return (float)sum;
}

float ck_dot(ptrdiff_t n, const float *a, const float *b) {
  double sum = 0;
  for (ptrdiff_t i = 0; i < n; i++) sum += (double)a[i] * b[i];
  return (float)sum;
}

double ck_squared_distance(ptrdiff_t n, const float *a, const float *b) {
  double sum = 0;
  for (ptrdiff_t i = 0; i < n; i++) {
    double difference = (double)a[i] - b[i];
    sum += difference * difference;
  }
  return sum;
}

void ck_min_max(ptrdiff_t n, const float *x, float *minimum, float *maximum) {
  *minimum = INFINITY;
  *maximum = -INFINITY;
  for (ptrdiff_t i = 0; i < n; i++) {
    if (x[i] < *minimum) *minimum = x[i];
    if (x[i] > *maximum) *maximum = x[i];
  }
}

ptrdiff_t ck_argmax(ptrdiff_t n, const float *x) {
  ptrdiff_t best = n > 0 ? 0 : -1;
  for (ptrdiff_t i = 1; i < n; i++) {
    if (x[i] > x[best]) best = i;
  }
  return best;
}

float ck_log_sum_exp(ptrdiff_t n, const float *x) {
  float minimum, maximum;
  ck_min_max(n, x, &minimum, &maximum);
  if (isinf(maximum)) return maximum;
  double sum = 0;
  for (ptrdiff_t i = 0; i < n; i++) sum += expf(x[i] - maximum);
  return maximum + (float)log(sum);
}

void ck_softmax_rows(ptrdiff_t rows, ptrdiff_t n, const float *x, float *out) {
  for (ptrdiff_t row = 0; row < rows; row++, x += n, out += n) {
    float minimum, maximum;
    ck_min_max(n, x, &minimum, &maximum);
    for (ptrdiff_t i = 0; i < n; i++) out[i] = expf(x[i] - maximum);
    ck_scale_shift(n, out, 1 / ck_sum(n, out), 0, out);
  }
}

void ck_rms_norm_rows(ptrdiff_t rows, ptrdiff_t n, const float *x, const float *weight,
                      float epsilon, float *out) {
  for (ptrdiff_t row = 0; row < rows; row++, x += n, out += n) {
    float inverse = 1 / sqrtf(ck_dot(n, x, x) / (float)n + epsilon);
    for (ptrdiff_t i = 0; i < n; i++) out[i] = weight[i] * (x[i] * inverse);
  }
}

void ck_layer_norm_rows(ptrdiff_t rows, ptrdiff_t n, const float *x, const float *weight,
                        const float *bias, float epsilon, float *out) {
  for (ptrdiff_t row = 0; row < rows; row++, x += n, out += n) {
    float mean = ck_sum(n, x) / (float)n;
    double variance = 0;
    for (ptrdiff_t i = 0; i < n; i++) variance += (double)(x[i] - mean) * (x[i] - mean);
    float inverse = 1 / sqrtf((float)(variance / (double)n) + epsilon);
    for (ptrdiff_t i = 0; i < n; i++) {
      out[i] = weight[i] * ((x[i] - mean) * inverse) + (bias ? bias[i] : 0);
    }
  }
}

void ck_rotate_half(ptrdiff_t heads, ptrdiff_t width, const float *cosines, const float *sines,
                    float *x) {
  ptrdiff_t half = width / 2;
  for (ptrdiff_t head = 0; head < heads; head++, x += width) {
    for (ptrdiff_t i = 0; i < half; i++) {
      float low = x[i], high = x[i + half];
      x[i] = low * cosines[i] - high * sines[i];
      x[i + half] = high * cosines[i] + low * sines[i];
    }
  }
}

void ck_float16_to_float32(ptrdiff_t n, const uint16_t *x, float *out) {
  for (ptrdiff_t i = 0; i < n; i++) out[i] = float16_value(x[i]);
}

static uint16_t float16_bits(float value) {
  uint32_t bits;
  memcpy(&bits, &value, 4);
  uint16_t sign = (uint16_t)((bits >> 16) & 0x8000);
  bits &= 0x7fffffff;
  if (bits > 0x7f800000) return sign | 0x7e00 | (uint16_t)((bits >> 13) & 0x3ff);
  if (bits >= 0x47800000) return sign | 0x7c00;
  if (bits < 0x38800000) {
    // Adding 0.5 puts the last kept bit of a subnormal at the last bit of the sum.
    float magnitude;
    memcpy(&magnitude, &bits, 4);
    magnitude += 0.5f;
    memcpy(&bits, &magnitude, 4);
    return sign | (uint16_t)(bits - 0x3f000000);
  }
  bits += 0xfff + ((bits >> 13) & 1);
  return sign | (uint16_t)((bits - 0x38000000) >> 13);
}

void ck_float32_to_float16(ptrdiff_t n, const float *x, uint16_t *out) {
  for (ptrdiff_t i = 0; i < n; i++) out[i] = float16_bits(x[i]);
}

void ck_bfloat16_to_float32(ptrdiff_t n, const uint16_t *x, float *out) {
  for (ptrdiff_t i = 0; i < n; i++) out[i] = bfloat16_value(x[i]);
}

void ck_float32_to_bfloat16(ptrdiff_t n, const float *x, uint16_t *out) {
  for (ptrdiff_t i = 0; i < n; i++) {
    uint32_t bits;
    memcpy(&bits, x + i, 4);
    bool is_nan = (bits & 0x7fffffff) > 0x7f800000;
    out[i] = (uint16_t)((is_nan ? bits | 0x400000 : bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
  }
}

static float quantized(float x, float scale, float zero, int bits) {
  float top = (float)((1 << bits) - 1), code = rintf(x / scale) + zero;
  return code >= 0 ? (code > top ? top : code) : 0;
}

void ck_quantize(ptrdiff_t n, const float *x, float scale, float zero, int bits, uint8_t *codes) {
  for (ptrdiff_t i = 0; i < n; i++) codes[i] = (uint8_t)quantized(x[i], scale, zero, bits);
}

double ck_quantization_error(ptrdiff_t n, const float *x, float scale, float zero, int bits) {
  double sum = 0;
  for (ptrdiff_t i = 0; i < n; i++) {
    double error = x[i] - scale * (quantized(x[i], scale, zero, bits) - zero);
    sum += error * error;
  }
  return sum;
}

void ck_pack(ptrdiff_t n, const uint8_t *codes, int bits, uint32_t *words) {
  memset(words, 0, (size_t)((n * bits + 31) / 32) * 4);
  for (ptrdiff_t i = 0; i < n; i++) {
    ptrdiff_t bit = i * bits;
    uint64_t window = (uint64_t)codes[i] << (bit % 32);
    words[bit / 32] |= (uint32_t)window;
    if (window >> 32) words[bit / 32 + 1] |= (uint32_t)(window >> 32);
  }
}

void ck_unpack(ptrdiff_t n, const uint32_t *words, int bits, uint8_t *codes) {
  for (ptrdiff_t i = 0; i < n; i++) codes[i] = (uint8_t)code_at(words, i, bits);
}

double ck_probe_fma(double seconds) {
  float x[64] = {0};
  clock_t start = clock();
  double operations = 0;
  while ((double)(clock() - start) < seconds * CLOCKS_PER_SEC) {
    for (int round = 0; round < 1000; round++) {
      for (int i = 0; i < 64; i++) x[i] = x[i] * 0.5f + 1;
    }
    operations += 128000;
  }
  volatile float keep = x[0];
  (void)keep;
  return operations * CLOCKS_PER_SEC / (double)(clock() - start);
}

double ck_probe_read(ptrdiff_t n, const float *x) { return ck_sum(n, x); }
