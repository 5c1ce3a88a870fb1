// Rows of scores in attention: the running softmax and its gradient.

INLINE float largest_by_halves(vf v) {
#if LANES == 16
  typedef float v8 __attribute__((ext_vector_type(8)));
  v8 w = v.lo > v.hi ? v.lo : v.hi;
#else
  __auto_type w = v;
#endif
#if LANES >= 8
  typedef float v4 __attribute__((ext_vector_type(4)));
  v4 x = w.lo > w.hi ? w.lo : w.hi;
#else
  __auto_type x = w;
#endif
  float low = x[0] > x[2] ? x[0] : x[2], high = x[1] > x[3] ? x[1] : x[3];
  return low > high ? low : high;
}

/// The largest score, NaN aside; −∞ when there is none.
INLINE float largest_score(ptrdiff_t n, const float *x) {
  vf high0 = -INFINITY, high1 = high0;
  ptrdiff_t i = 0;
  for (; i + 2 * LANES <= n; i += 2 * LANES) {
    high0 = larger(load(x + i), high0);
    high1 = larger(load(x + i + LANES), high1);
  }
  for (; i + LANES <= n; i += LANES) high0 = larger(load(x + i), high0);
  float high = largest_by_halves(larger(high0, high1));
  for (; i < n; i++) high = x[i] > high ? x[i] : high;
  return high;
}

static bool has_nan(ptrdiff_t n, const float *x) {
  for (ptrdiff_t i = 0; i < n; i++) {
    if (x[i] != x[i]) return true;
  }
  return false;
}

/// Replaces scores [first, end) by exp(score − maximum) and the rest of [0, count) by zero. Updates
/// the row's maximum and sum, and returns the factor that the row's earlier output takes.
static float attend_row(float *scores, ptrdiff_t first, ptrdiff_t end, ptrdiff_t count,
                        float *maximum, float *sum) {
  float *seen = scores + first;
  ptrdiff_t n = end - first;
  float old = *maximum, new = largest_score(n, seen);
  if (old > new) new = old;
  if (new == -INFINITY) {
    if (!has_nan(n, seen)) {
      memset(scores, 0, (size_t)count * sizeof(float));
      return 1;
    }
    new = 0;
  }
  float factor = old == new ? 1 : exp_vector((vf)(old - new))[0];
  *maximum = new;
  *sum = *sum * factor;
  if (n > 0) *sum += (float)sum_of_exponentials(n, seen, new, seen);
  for (ptrdiff_t i = 0; i < first; i++) scores[i] = 0;
  for (ptrdiff_t i = end; i < count; i++) scores[i] = 0;
  return factor;
}

/// cap · tanh(score / cap).
static void cap_scores(ptrdiff_t n, float cap, float *scores) {
  for (ptrdiff_t i = 0; i < n; i += LANES) {
    ptrdiff_t some = n - i < LANES ? n - i : LANES;
    vf v = some < LANES ? load_part(scores + i, some) : load(scores + i);
    v = cap * tanh_vector(v * (1 / cap));
    if (some < LANES) {
      store_part(scores + i, v, some);
    } else {
      store(scores + i, v);
    }
  }
}

/// −∞ where a key is not allowed.
static void mask_scores(ptrdiff_t n, const uint8_t *allowed, float *scores) {
  for (ptrdiff_t i = 0; i < n; i++) scores[i] = allowed[i] ? scores[i] : -INFINITY;
}

INLINE void gradient_step(float *scores, float *products, float log_sum, float delta,
                          ptrdiff_t count) {
  vf s = count < LANES ? load_part(scores, count) : load(scores);
  vf product = count < LANES ? load_part(products, count) : load(products);
  vf weight = exp_vector(s - log_sum), gradient = weight * (product - delta);
  if (count < LANES) {
    store_part(scores, weight, count);
    store_part(products, gradient, count);
  } else {
    store(scores, weight);
    store(products, gradient);
  }
}

/// Replaces scores by weights w = exp(score − log_sum), and products (of the output's gradient with
/// the values) by the gradient of the scores, w · (product − delta).
static void attend_gradient(ptrdiff_t n, float log_sum, float delta, float *scores,
                            float *products) {
  if (log_sum == -INFINITY) {
    memset(scores, 0, (size_t)n * sizeof(float));
    memset(products, 0, (size_t)n * sizeof(float));
    return;
  }
  ptrdiff_t i = 0;
  for (; i + 2 * LANES <= n; i += 2 * LANES) {
    gradient_step(scores + i, products + i, log_sum, delta, LANES);
    gradient_step(scores + i + LANES, products + i + LANES, log_sum, delta, LANES);
  }
  for (; i < n; i += LANES) {
    gradient_step(scores + i, products + i, log_sum, delta, n - i < LANES ? n - i : LANES);
  }
}

/// gradient · (1 − (capped / cap)²): the way back through cap · tanh(score / cap).
static void cap_gradient(ptrdiff_t n, float cap, const float *capped, float *gradient) {
  float inverse = 1 / cap;
  for (ptrdiff_t i = 0; i < n; i++) {
    float t = capped[i] * inverse;
    gradient[i] *= 1 - t * t;
  }
}
