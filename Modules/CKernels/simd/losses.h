// Losses of elements: their sum, or each one, and their gradients, in one pass.

/// log(1 + u) for 0 ≤ u ≤ 1: 2 artanh(u / (2 + u)), whose argument is at most 1/3, by its series.
INLINE vf log1p_of_unit(vf u) {
  vf s = u / (2.0f + u), t = s * s;
  vf p = t * (1.0f / 17) + 1.0f / 15;
  p = p * t + 1.0f / 13;
  p = p * t + 1.0f / 11;
  p = p * t + 1.0f / 9;
  p = p * t + 1.0f / 7;
  p = p * t + 1.0f / 5;
  p = p * t + 1.0f / 3;
  return 2.0f * (s + s * t * p);
}

INLINE vf magnitude_of(vf x) { return as_float(as_int(x) & 0x7fffffff); }

/// log(1 + exp(−x)).
INLINE vf softplus_of_negative(vf x) {
  return log1p_of_unit(exp_vector(-magnitude_of(x))) + (x < 0.0f ? -x : (vf)0);
}

/// d²/2 up to the limit, limit · (|d| − limit/2) beyond.
INLINE vf huber_of(vf d, float limit) {
  vf size = magnitude_of(d);
  return size > limit ? limit * (size - 0.5f * limit) : 0.5f * d * d;
}

/// NaN where the margin is.
INLINE vf hinge_gradient(vf t, vf margin) {
  return margin > 0.0f ? -t : margin <= 0.0f ? (vf)0.0f : margin;
}

/// log x for x ≥ 0, within 2 units in the last place: x = 2ᵉ m with m around 1, log m as
/// 2 artanh((m − 1) / (m + 1)). −∞ at 0; NaN below.
INLINE vf log_of_probability(vf x) {
  vi is_tiny = x < 0x1p-126f;
  vf y = is_tiny ? x * 0x1p24f : x;
  vi bits = as_int(y), e = (bits - 0x3f3504f3) >> 23;
  vf exponent = to_float(e) - (is_tiny ? (vf)24.0f : (vf)0.0f);
  vf m = as_float(bits - (e << 23)), s = (m - 1.0f) / (m + 1.0f), t = s * s;
  vf p = t * (1.0f / 11) + 1.0f / 9;
  p = p * t + 1.0f / 7;
  p = p * t + 1.0f / 5;
  p = p * t + 1.0f / 3;
  vf log_m = 2.0f * (s + s * t * p);
  vf log_x = exponent * 0.693359375f + (log_m + exponent * -2.12194440e-4f);
  log_x = x == INFINITY ? x : log_x;
  return x > 0.0f ? log_x : x == 0.0f ? (vf) - INFINITY : (vf)NAN;
}

/// p · (log p − x), 0 where p is 0.
INLINE vf divergence_of(vf p, vf log_p, vf x) {
  vf zero = x == x ? (vf)0.0f : x;
  return p == 0.0f ? zero : p * (log_p - x);
}

// X(name, loss, its derivative by x); t: target, w: weight of positives, a: parameter.
#define EVERY_LOSS(X)                                                                          \
  X(loss_squared, (x - t) * (x - t), 2.0f * (x - t))                                           \
  X(loss_absolute, magnitude_of(x - t), x > t ? (vf)1.0f : x < t ? (vf) - 1.0f : x - t)        \
  X(loss_huber, huber_of(x - t, a), x - t > a ? (vf)a : x - t < -a ? (vf) - a : x - t)         \
  X(loss_binary, (1.0f - t) * x + (1.0f + (w - 1.0f) * t) * softplus_of_negative(x),           \
    (1.0f - t) - (1.0f + (w - 1.0f) * t) / (1.0f + exp_vector(x)))                             \
  X(loss_hinge, 1.0f - t * x < 0.0f ? (vf)0.0f : 1.0f - t * x, hinge_gradient(t, 1.0f - t * x)) \
  X(loss_divergence, divergence_of(t, log_of_probability(t), x), -t)                           \
  X(loss_log_divergence, divergence_of(exp_vector(t), t, x), -exp_vector(t))

#define LOSS(name, value, derivative)                                                           \
  INLINE vf name##_step(const ck_loss *c, ptrdiff_t i, ptrdiff_t count, bool back) {            \
    vf x = load_some(c->x + i, count), t = load_some(c->target + i, count);                     \
    vf w = c->weights ? load_some(c->weights + i, count) : (vf)1.0f;                            \
    const float a = c->parameter;                                                               \
    (void)w, (void)a;                                                                           \
    if (!back) return first_lanes(value, count);                                                \
    vf g = c->upstream ? load_some(c->upstream + i, count) * c->factor : (vf)c->factor;         \
    return g * (derivative);                                                                    \
  }                                                                                             \
  static double name(const ck_loss *c) {                                                        \
    double total = 0;                                                                           \
    for (ptrdiff_t start = 0; start < c->n; start += REDUCE_CHUNK) {                            \
      ptrdiff_t end = c->n - start < REDUCE_CHUNK ? c->n : start + REDUCE_CHUNK, i = start;     \
      vf s0 = 0, s1 = 0;                                                                        \
      for (; i + 2 * LANES <= end; i += 2 * LANES) {                                            \
        vf u = name##_step(c, i, LANES, false), v = name##_step(c, i + LANES, LANES, false);    \
        s0 += u;                                                                                \
        s1 += v;                                                                                \
        if (c->out) store(c->out + i, u), store(c->out + i + LANES, v);                         \
      }                                                                                         \
      for (; i < end; i += LANES) {                                                             \
        ptrdiff_t count = end - i < LANES ? end - i : LANES;                                    \
        vf v = name##_step(c, i, count, false);                                                 \
        s0 += v;                                                                                \
        if (c->out) store_some(c->out + i, v, count);                                           \
      }                                                                                         \
      total += sum_lanes(s0 + s1);                                                              \
    }                                                                                           \
    return total;                                                                               \
  }                                                                                             \
  static void name##_gradient(const ck_loss *c) {                                               \
    ptrdiff_t i = 0;                                                                            \
    for (; i + LANES <= c->n; i += LANES) store(c->out + i, name##_step(c, i, LANES, true));    \
    if (i < c->n) store_part(c->out + i, name##_step(c, i, c->n - i, true), c->n - i);          \
  }
EVERY_LOSS(LOSS)
#undef LOSS

static double kernel_loss_sum(int kind, const ck_loss *job) {
#define ENTRY(name, value, derivative) name,
  static double (*const functions[])(const ck_loss *) = {EVERY_LOSS(ENTRY)};
#undef ENTRY
  return functions[kind](job);
}

static void kernel_loss_gradient(int kind, const ck_loss *job) {
#define ENTRY(name, value, derivative) name##_gradient,
  static void (*const functions[])(const ck_loss *) = {EVERY_LOSS(ENTRY)};
#undef ENTRY
  functions[kind](job);
}
#undef EVERY_LOSS

// MARK: - Cosines

static void kernel_cosine_rows(ptrdiff_t rows, ptrdiff_t n, const float *x, const float *y,
                               float epsilon, float *out) {
  for (ptrdiff_t row = 0; row < rows; row++, x += n, y += n) {
    double size_x = sqrt(dot_of(n, x, x)), size_y = sqrt(dot_of(n, y, y));
    // Written so that NaN survives.
    size_x = size_x < epsilon ? epsilon : size_x;
    size_y = size_y < epsilon ? epsilon : size_y;
    out[row] = (float)(dot_of(n, x, y) / (size_x * size_y));
  }
}

/// dx = g · (y / (|x| |y|) − cos · x / |x|²); a size below epsilon is constant.
static void kernel_cosine_gradient_rows(ptrdiff_t rows, ptrdiff_t n, const float *x, const float *y,
                                        float epsilon, const float *gradient, float *out) {
  for (ptrdiff_t row = 0; row < rows; row++, x += n, y += n, out += n) {
    double size_x = sqrt(dot_of(n, x, x)), size_y = sqrt(dot_of(n, y, y));
    bool is_small = size_x < epsilon;
    size_x = is_small ? epsilon : size_x;
    size_y = size_y < epsilon ? epsilon : size_y;
    double cosine = dot_of(n, x, y) / (size_x * size_y);
    float of_y = (float)(gradient[row] / (size_x * size_y));
    float of_x = is_small ? 0 : (float)(-gradient[row] * cosine / (size_x * size_x));
    for (ptrdiff_t i = 0; i < n; i += LANES) {
      vf v = load_some(y + i, n - i) * of_y + load_some(x + i, n - i) * of_x;
      store_some(out + i, v, n - i);
    }
  }
}
