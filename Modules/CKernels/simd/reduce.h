// Reductions in a fixed order: four vectors of partial sums over a chunk, then the lanes by halves,
// then the chunks in double. The order depends on n alone.
#define REDUCE_CHUNK 4096

#define REDUCE_SUM(name, parameters, full, part)                           \
  static double name parameters {                                          \
    double total = 0;                                                      \
    for (ptrdiff_t start = 0; start < n; start += REDUCE_CHUNK) {          \
      ptrdiff_t end = n - start < REDUCE_CHUNK ? n : start + REDUCE_CHUNK; \
      ptrdiff_t i = start;                                                 \
      vf s0 = 0, s1 = 0, s2 = 0, s3 = 0;                                   \
      for (; i + 4 * LANES <= end; i += 4 * LANES) {                       \
        s0 = full(s0, i);                                                  \
        s1 = full(s1, i + LANES);                                          \
        s2 = full(s2, i + 2 * LANES);                                      \
        s3 = full(s3, i + 3 * LANES);                                      \
      }                                                                    \
      for (; i + LANES <= end; i += LANES) s0 = full(s0, i);               \
      if (i < end) s1 = part(s1, i, end - i);                              \
      total += sum_lanes((s0 + s1) + (s2 + s3));                           \
    }                                                                      \
    return total;                                                          \
  }

#define SUM_FULL(s, i) (s + load(x + (i)))
#define SUM_PART(s, i, count) (s + load_part(x + (i), count))
REDUCE_SUM(sum_of, (ptrdiff_t n, const float *x), SUM_FULL, SUM_PART)

#define DOT_FULL(s, i) (s + load(a + (i)) * load(b + (i)))
#define DOT_PART(s, i, count) (s + load_part(a + (i), count) * load_part(b + (i), count))
REDUCE_SUM(dot_of, (ptrdiff_t n, const float *a, const float *b), DOT_FULL, DOT_PART)

/// Σ (x − mean)².
static double squares_about(ptrdiff_t n, const float *x, float mean) {
  double total = 0;
  for (ptrdiff_t start = 0; start < n; start += REDUCE_CHUNK) {
    ptrdiff_t end = n - start < REDUCE_CHUNK ? n : start + REDUCE_CHUNK, i = start;
    vf s0 = 0, s1 = 0;
    for (; i + 2 * LANES <= end; i += 2 * LANES) {
      s0 += square(load(x + i) - mean);
      s1 += square(load(x + i + LANES) - mean);
    }
    float last = 0;
    for (; i < end; i++) last += (x[i] - mean) * (x[i] - mean);
    total += sum_lanes(s0 + s1) + last;
  }
  return total;
}

#undef SUM_FULL
#undef SUM_PART
#undef DOT_FULL
#undef DOT_PART
#undef REDUCE_SUM

static float kernel_sum(ptrdiff_t n, const float *x) { return (float)sum_of(n, x); }

static float kernel_dot(ptrdiff_t n, const float *a, const float *b) {
  return (float)dot_of(n, a, b);
}

static void kernel_min_max(ptrdiff_t n, const float *x, float *minimum, float *maximum) {
  vf low0 = INFINITY, low1 = low0, high0 = -INFINITY, high1 = high0;
  ptrdiff_t i = 0;
  for (; i + 2 * LANES <= n; i += 2 * LANES) {
    vf u = load(x + i), v = load(x + i + LANES);
    low0 = smaller(u, low0), high0 = larger(u, high0);
    low1 = smaller(v, low1), high1 = larger(v, high1);
  }
  float low = smallest_lane(smaller(low0, low1)), high = largest_lane(larger(high0, high1));
  for (; i < n; i++) {
    low = x[i] < low ? x[i] : low;
    high = x[i] > high ? x[i] : high;
  }
  *minimum = low;
  *maximum = high;
}

static float largest_of(ptrdiff_t n, const float *x) {
  vf high0 = -INFINITY, high1 = high0;
  ptrdiff_t i = 0;
  for (; i + 2 * LANES <= n; i += 2 * LANES) {
    high0 = larger(load(x + i), high0);
    high1 = larger(load(x + i + LANES), high1);
  }
  float high = largest_lane(larger(high0, high1));
  for (; i < n; i++) high = x[i] > high ? x[i] : high;
  return high;
}

/// Σ exp(x − offset), and the terms to `out` unless it is NULL.
INLINE double sum_of_exponentials(ptrdiff_t n, const float *x, float offset, float *out) {
  double total = 0;
  for (ptrdiff_t start = 0; start < n; start += REDUCE_CHUNK) {
    ptrdiff_t end = n - start < REDUCE_CHUNK ? n : start + REDUCE_CHUNK, i = start;
    vf s0 = 0, s1 = 0;
    for (; i + 2 * LANES <= end; i += 2 * LANES) {
      vf u = exp_vector(load(x + i) - offset), v = exp_vector(load(x + i + LANES) - offset);
      s0 += u;
      s1 += v;
      if (out) store(out + i, u), store(out + i + LANES, v);
    }
    for (; i < end; i += LANES) {
      ptrdiff_t count = end - i < LANES ? end - i : LANES;
      vf u = exp_vector((count < LANES ? load_part(x + i, count) : load(x + i)) - offset);
      if (count == LANES) {
        s0 += u;
        if (out) store(out + i, u);
      } else {
        float terms[LANES];
        store(terms, u);
        s1 += load_part(terms, count);
        if (out) store_part(out + i, u, count);
      }
    }
    total += sum_lanes(s0 + s1);
  }
  return total;
}

static float kernel_log_sum_exp(ptrdiff_t n, const float *x) {
  float offset = largest_of(n, x);
  if (isinf(offset)) {
    // Infinity less infinity must not arise; NaN, which no comparison finds, must not be lost.
    for (ptrdiff_t i = 0; i < n; i++) {
      if (isnan(x[i])) return NAN;
    }
    return offset;
  }
  return offset + (float)log(sum_of_exponentials(n, x, offset, NULL));
}
