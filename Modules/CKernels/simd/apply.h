// Functions of every element and their slopes: X(name, function of v, slope of the function).
//
// The slope is an expression of v, which is the argument or the result of the function: CKernels.h
// says which for each. Their order is that of `ck_function`.

#define EVERY_FUNCTION(X)                                                                        \
  X(absolute, magnitude(v), sign_vector(v))                                                      \
  X(square, v *v, v + v)                                                                         \
  X(square_root, square_root(v), 0.5f / v)                                                       \
  X(reciprocal, 1.0f / v, -(v * v))                                                              \
  X(reciprocal_root, 1.0f / square_root(v), -0.5f * (v * v) * v)                                 \
  X(sign, sign_vector(v), (vf)0.0f)                                                              \
  X(floor, floor_vector(v), (vf)0.0f)                                                            \
  X(ceiling, ceil_vector(v), (vf)0.0f)                                                           \
  X(round, round_vector(v), (vf)0.0f)                                                            \
  X(clamp, at_most(at_least(v, low), high), ((v < low) | (v > high)) ? (vf)0.0f : (vf)1.0f)      \
  X(exp, exp_vector(v), v)                                                                       \
  X(expm1, expm1_vector(v), v + 1.0f)                                                            \
  X(log, log_vector(v), 1.0f / v)                                                                \
  X(log1p, log1p_vector(v), 1.0f / (1.0f + v))                                                   \
  X(sine, sin_vector(v), cos_vector(v))                                                          \
  X(cosine, cos_vector(v), -sin_vector(v))                                                       \
  X(tanh, tanh_vector(v), 1.0f - v * v)                                                          \
  X(sigmoid, sigmoid_vector(v), v *(1.0f - v))                                                   \
  X(erf, erf_vector(v), erf_slope(v))                                                            \
  X(relu, relu_vector(v), v <= 0.0f ? (vf)0.0f : (vf)1.0f)                                       \
  X(leaky_relu, v < 0.0f ? v * low : v, v <= 0.0f ? (vf)low : (vf)1.0f)                          \
  X(elu, v > 0.0f ? v : low * expm1_vector(v), v > 0.0f ? (vf)1.0f : v + low)                    \
  X(gelu, gelu_vector(v), gelu_slope(v))                                                         \
  X(gelu_tanh, gelu_tanh_vector(v), gelu_tanh_slope(v))                                          \
  X(silu, silu_vector(v), silu_slope(v))                                                         \
  X(softplus, softplus_vector(v), sigmoid_vector(v))

/// s + x · s · (1 − s), s = sigmoid(x); beyond ±105 the limits, 0 and 1.
INLINE vf silu_slope(vf x) {
  x = at_most(at_least(x, -105.0f), 105.0f);
  vf s = 1.0f / (1.0f + exp_bounded(-x));
  return s + x * s * (1.0f - s);
}

#define FUNCTION(name, value, slope)                                                              \
  static void apply_##name(ptrdiff_t n, const float *x, float low, float high, float *out) {      \
    (void)low, (void)high;                                                                        \
    ptrdiff_t i = 0;                                                                              \
    for (; i + LANES <= n; i += LANES) {                                                          \
      vf v = load(x + i);                                                                         \
      store(out + i, value);                                                                      \
    }                                                                                             \
    if (i < n) {                                                                                  \
      vf v = load_part(x + i, n - i);                                                             \
      store_part(out + i, value, n - i);                                                          \
    }                                                                                             \
  }                                                                                               \
  static void slope_##name(ptrdiff_t n, const float *saved, const float *gradient, float low,     \
                           float high, float *out) {                                              \
    (void)low, (void)high;                                                                        \
    ptrdiff_t i = 0;                                                                              \
    for (; i + LANES <= n; i += LANES) {                                                          \
      vf v = load(saved + i);                                                                     \
      store(out + i, load(gradient + i) * (slope));                                               \
    }                                                                                             \
    if (i < n) {                                                                                  \
      vf v = load_part(saved + i, n - i);                                                         \
      store_part(out + i, load_part(gradient + i, n - i) * (slope), n - i);                       \
    }                                                                                             \
  }
EVERY_FUNCTION(FUNCTION)
#undef FUNCTION

static void kernel_apply(int function, ptrdiff_t n, const float *x, float low, float high,
                         float *out) {
#define ENTRY(name, value, slope) apply_##name,
  static void (*const functions[])(ptrdiff_t, const float *, float, float, float *) = {
      EVERY_FUNCTION(ENTRY)};
#undef ENTRY
  functions[function](n, x, low, high, out);
}

static void kernel_apply_slope(int function, ptrdiff_t n, const float *saved, const float *gradient,
                               float low, float high, float *out) {
#define ENTRY(name, value, slope) slope_##name,
  static void (*const functions[])(ptrdiff_t, const float *, const float *, float, float,
                                   float *) = {EVERY_FUNCTION(ENTRY)};
#undef ENTRY
  functions[function](n, saved, gradient, low, high, out);
}
#undef EVERY_FUNCTION

static void kernel_power(ptrdiff_t n, const float *x, float exponent, float *out) {
  power_kind kind = kind_of_power(exponent);
  for (ptrdiff_t i = 0; i < n; i += LANES) {
    ptrdiff_t count = n - i < LANES ? n - i : LANES;
    vf v = count < LANES ? load_part(x + i, count) : load(x + i);
    vf y = power_vector(v, exponent, kind);
    if (count < LANES) {
      store_part(out + i, y, count);
    } else {
      store(out + i, y);
    }
  }
}
