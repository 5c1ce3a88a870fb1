// Softmax and log-softmax of whole rows, and the way back. A row is read again from L1 for each of
// its passes. NaN and a row of nothing but −∞ give NaN.

/// All lanes, or the first `count` of them and zeros.
INLINE vf load_some(const float *p, ptrdiff_t count) {
  return count < LANES ? load_part(p, count) : load(p);
}

INLINE void store_some(float *p, vf v, ptrdiff_t count) {
  if (count < LANES) {
    store_part(p, v, count);
  } else {
    store(p, v);
  }
}

/// The first `count` lanes of v, zeros in the others.
INLINE vf first_lanes(vf v, ptrdiff_t count) {
  if (count >= LANES) return v;
  float lanes[LANES];
  store(lanes, v);
  return load_part(lanes, count);
}

/// Asks for what a later row needs while this one computes: between rows that are read more than
/// once, memory would rest.
INLINE void foresee(const float *p) { __builtin_prefetch(p, 0, 2); }

/// The largest scale · x, NaN aside.
static float largest_scaled(ptrdiff_t n, const float *x, float scale) {
  vf high0 = -INFINITY, high1 = high0, high2 = high0, high3 = high0;
  ptrdiff_t i = 0;
  for (; i + 4 * LANES <= n; i += 4 * LANES) {
    high0 = larger(load(x + i) * scale, high0);
    high1 = larger(load(x + i + LANES) * scale, high1);
    high2 = larger(load(x + i + 2 * LANES) * scale, high2);
    high3 = larger(load(x + i + 3 * LANES) * scale, high3);
  }
  for (; i + LANES <= n; i += LANES) high0 = larger(load(x + i) * scale, high0);
  float high = largest_by_halves(larger(larger(high0, high1), larger(high2, high3)));
  for (; i < n; i++) high = x[i] * scale > high ? x[i] * scale : high;
  return high;
}

/// Σ exp(scale · x − offset), and the terms to `out` if it stores; `out` may be x.
INLINE double scaled_exponentials(ptrdiff_t n, const float *x, float scale, float offset,
                                  bool stores, float *out) {
  double total = 0;
  for (ptrdiff_t start = 0; start < n; start += REDUCE_CHUNK) {
    ptrdiff_t end = n - start < REDUCE_CHUNK ? n : start + REDUCE_CHUNK, i = start;
    vf s0 = 0, s1 = 0;
    for (; i + 2 * LANES <= end; i += 2 * LANES) {
      vf u = exp_vector(load(x + i) * scale - offset);
      vf v = exp_vector(load(x + i + LANES) * scale - offset);
      foresee(x + n + i);
      foresee(x + n + i + LANES);
      s0 += u;
      s1 += v;
      if (stores) store(out + i, u), store(out + i + LANES, v);
    }
    for (; i < end; i += LANES) {
      vf u = exp_vector(load_some(x + i, end - i) * scale - offset);
      s0 += first_lanes(u, end - i);
      if (stores) store_some(out + i, u, end - i);
    }
    total += sum_lanes(s0 + s1);
  }
  return total;
}

/// out = factor · x + shift; `out` may be x.
INLINE void scale_row(ptrdiff_t n, const float *x, float factor, float shift, float *out) {
  ptrdiff_t i = 0;
  for (; i + 4 * LANES <= n; i += 4 * LANES) {
#pragma clang loop unroll(full)
    for (int j = 0; j < 4; j++) store(out + i + j * LANES, load(x + i + j * LANES) * factor + shift);
  }
  for (; i < n; i += LANES) store_some(out + i, load_some(x + i, n - i) * factor + shift, n - i);
}

static void kernel_softmax_rows(bool logarithm, ptrdiff_t rows, ptrdiff_t n, const float *x,
                                float scale, float *out) {
  for (ptrdiff_t row = 0; row < rows; row++, x += n, out += n) {
    float offset = largest_scaled(n, x, scale);
    if (!logarithm) {
      double sum = scaled_exponentials(n, x, scale, offset, true, out);
      scale_row(n, out, (float)(1 / sum), 0, out);
      continue;
    }
    // In two steps: the logarithm may be lost beside a large offset.
    float log_sum = (float)log(scaled_exponentials(n, x, scale, offset, false, NULL));
    for (ptrdiff_t i = 0; i < n; i += LANES) {
      store_some(out + i, (load_some(x + i, n - i) * scale - offset) - log_sum, n - i);
    }
  }
}

/// With y = softmax(scale · x): scale · y ⊙ (g − Σ g ⊙ y); with its logarithm: scale · (g − exp(y) Σ g).
static void kernel_softmax_gradient_rows(bool logarithm, ptrdiff_t rows, ptrdiff_t n,
                                         const float *y, float scale, const float *gradient,
                                         float *out) {
  for (ptrdiff_t row = 0; row < rows; row++, y += n, gradient += n, out += n) {
    float sum = (float)(logarithm ? sum_of(n, gradient) : dot_of(n, gradient, y));
    ptrdiff_t i = 0;
    for (; i + 2 * LANES <= n; i += 2 * LANES) {
      vf y0 = load(y + i), y1 = load(y + i + LANES);
      vf g0 = load(gradient + i), g1 = load(gradient + i + LANES);
      g0 = logarithm ? g0 - exp_vector(y0) * sum : y0 * (g0 - sum);
      g1 = logarithm ? g1 - exp_vector(y1) * sum : y1 * (g1 - sum);
      foresee(y + n + i);
      foresee(y + n + i + LANES);
      foresee(gradient + n + i);
      foresee(gradient + n + i + LANES);
      store(out + i, g0 * scale);
      store(out + i + LANES, g1 * scale);
    }
    for (; i < n; i += LANES) {
      vf u = load_some(y + i, n - i), g = load_some(gradient + i, n - i);
      g = logarithm ? g - exp_vector(u) * sum : u * (g - sum);
      store_some(out + i, g * scale, n - i);
    }
  }
}
