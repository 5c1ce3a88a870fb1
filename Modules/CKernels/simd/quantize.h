// Round to nearest on a uniform grid, the same bits in every table.
//
// x / scale is a true division. It is clamped to ±2²² and rounded, half to even, by adding and
// subtracting 1.5 · 2²³; the clamp does not show, because codes end at 255. Errors are summed
// without fused multiply-adds, in 16 lanes whatever the vector, so that a search over scales
// chooses the same one on every machine.
#define ERROR_LANES 16
#define ERROR_CHUNK 1024

typedef uint8_t vb __attribute__((ext_vector_type(LANES)));

INLINE vf quantize_vector(vf x, float scale, float zero, float top) {
#pragma clang fp contract(off)
  const vf magic = 12582912.0f, limit = 4194304.0f;
  vf v = x / scale;
  v = v > limit ? limit : v;
  v = v > -limit ? v : -limit;  // NaN goes here
  vf code = (v + magic) - magic + zero;
  code = code > top ? (vf)top : code;
  return code > 0.0f ? code : (vf)0.0f;
}

static void kernel_quantize(ptrdiff_t n, const float *x, float scale, float zero, int bits,
                            uint8_t *codes) {
  float top = (float)((1 << bits) - 1);
  ptrdiff_t i = 0;
  for (; i + LANES <= n; i += LANES) {
    vf code = quantize_vector(load(x + i), scale, zero, top);
    vb narrow = __builtin_convertvector(__builtin_convertvector(code, vi), vb);
    memcpy(codes + i, &narrow, sizeof narrow);
  }
  if (i < n) {
    vf code = quantize_vector(load_part(x + i, n - i), scale, zero, top);
    for (ptrdiff_t j = 0; i + j < n; j++) codes[i + j] = (uint8_t)code[j];
  }
}

INLINE vf squared_error(vf x, float scale, float zero, float top) {
#pragma clang fp contract(off)
  vf error = x - scale * (quantize_vector(x, scale, zero, top) - zero);
  return error * error;
}

static double kernel_quantization_error(ptrdiff_t n, const float *x, float scale, float zero,
                                        int bits) {
  float top = (float)((1 << bits) - 1);
  double total = 0;
  for (ptrdiff_t start = 0; start < n; start += ERROR_CHUNK) {
    ptrdiff_t end = n - start < ERROR_CHUNK ? n : start + ERROR_CHUNK, i = start;
    vf sum[ERROR_LANES / LANES];
    for (int j = 0; j < ERROR_LANES / LANES; j++) sum[j] = 0;
    for (; i + ERROR_LANES <= end; i += ERROR_LANES) {
      for (int j = 0; j < ERROR_LANES / LANES; j++) {
        sum[j] += squared_error(load(x + i + j * LANES), scale, zero, top);
      }
    }
    float lanes[ERROR_LANES];
    for (int j = 0; j < ERROR_LANES / LANES; j++) store(lanes + j * LANES, sum[j]);
    for (int j = 0; i < end; i++, j++) {
      lanes[j] += squared_error((vf)x[i], scale, zero, top)[0];
    }
    for (int j = 0; j < ERROR_LANES; j++) total += (double)lanes[j];
  }
  return total;
}

/// |error|^exponent, by way of the logarithm of its square.
INLINE vf error_power(vf squared, float half) { return exp_vector(half * log_vector(squared)); }

/// Pieces of 64: a candidate that cannot win is given up early.
static double kernel_quantization_power_error(ptrdiff_t n, const float *x, float scale, float zero,
                                              int bits, float exponent, double limit) {
  float top = (float)((1 << bits) - 1), half = 0.5f * exponent;
  double total = 0;
  for (ptrdiff_t start = 0; start < n && total <= limit; start += 64) {
    ptrdiff_t end = n - start < 64 ? n : start + 64, i = start;
    vf sum = 0;
    for (; i + LANES <= end; i += LANES) {
      sum += error_power(squared_error(load(x + i), scale, zero, top), half);
    }
    if (i < end) {
      // Lanes beyond the end hold 0, which lies on every grid that a search tries.
      sum += error_power(squared_error(load_part(x + i, end - i), scale, zero, top), half);
    }
    total += (double)sum_lanes(sum);
  }
  return total;
}
