// Elementary functions of one vector: the exponential, the logarithm and what is built on them.
//
// exp(x) = 2ⁿ · exp(r) with n = round(x · log₂e) and |r| ≤ ln2/2, r by two constants (Cody and
// Waite), exp(r) by a polynomial of degree 6. log(x) = e · ln2 + log(1 + m) with x = 2ᵉ · (1 + m)
// and m in [−1/4, 1/2]; log1p takes m from its argument without forming 1 + x. Coefficients are
// weighted minimax fits of the relative error, below 2⁻²⁷ each.
//
// NaN in gives NaN out: a clamp is written so that a comparison with NaN keeps the argument.

INLINE vf magnitude(vf x) { return as_float(as_int(x) & 0x7fffffff); }

INLINE vf at_least(vf x, float bound) { return x < bound ? (vf)bound : x; }
INLINE vf at_most(vf x, float bound) { return x > bound ? (vf)bound : x; }

// MARK: - Exponential

/// An argument of exp cut into n · ln2 + r.
typedef struct {
  vf n, r;
} exp_parts;

INLINE exp_parts exp_reduce(vf x) {
  const vf magic = 12582912.0f;  // 1.5 · 2²³: adding it rounds to an integer
  vf n = (x * 1.44269504088896341f + magic) - magic;
  vf r = x - n * 0.693359375f;
  return (exp_parts){n, r - n * -2.12194440e-4f};
}

/// x · 2ⁿ for whole numbers n in [−252, 254], as two factors: n may leave the range of an exponent.
INLINE vf times_power(vf x, vf n) {
#if LANES == 16
  return _mm512_scalef_ps(x, n);
#else
  vi exponent = __builtin_convertvector(n, vi), half = exponent >> 1;
  return x * as_float((half + 127) << 23) * as_float((exponent - half + 127) << 23);
#endif
}

/// exp(x) for |x| ≤ 105.
INLINE vf exp_bounded(vf x) {
  exp_parts parts = exp_reduce(x);
  vf r = parts.r;
  vf p = r * 1.38145577e-3f + 8.36873613e-3f;
  p = p * r + 4.1668389e-2f;
  p = p * r + 1.66665211e-1f;
  p = p * r + 4.9999994e-1f;
  p = p * (r * r) + r + 1.0f;
  return times_power(p, parts.n);
}

INLINE vf exp_vector(vf x) { return exp_bounded(at_most(at_least(x, -105.0f), 89.0f)); }

/// exp(x) − 1 without cancellation: 2ⁿ · (exp(r) − 1) + (2ⁿ − 1), at half the scale so that the
/// largest results do not overflow on the way.
INLINE vf expm1_vector(vf x) {
  exp_parts parts = exp_reduce(at_most(at_least(x, -20.0f), 89.0f));
  vf r = parts.r;
  vf q = r * 1.98458773e-4f + 1.39406184e-3f;
  q = q * r + 8.33338965e-3f;
  q = q * r + 4.16663587e-2f;
  q = q * r + 1.66666657e-1f;
  q = q * r + 0.5f;
  vf p = q * (r * r) + r;
  vf half = times_power((vf)0.5f, parts.n);
  vf y = p * half + (half - 0.5f);
  return as_float(as_int(y + y) | (as_int(x) & INT32_MIN));  // −0 stays −0
}

INLINE vf sigmoid_vector(vf x) { return 1.0f / (1.0f + exp_vector(-x)); }

/// x / (1 + exp(−x)); at −∞ the limit, 0.
INLINE vf silu_vector(vf x) {
  x = at_least(x, -105.0f);
  return x / (1.0f + exp_bounded(-at_most(x, 105.0f)));
}

/// tanh by way of m / (m + 2), m = exp(2x) − 1.
INLINE vf tanh_vector(vf x) {
  vf m = expm1_vector(x + x);
  m = at_most(m, 1e9f);
  return m / (m + 2.0f);
}

// MARK: - Logarithm

/// log(1 + m) for m in [−1/4, 1/2], plus e · ln2.
INLINE vf log_sum(vf m, vf e) {
  vf p = m * -4.50845672e-2f + 1.0465599e-1f;
  p = p * m + -1.31629601e-1f;
  p = p * m + 1.44786209e-1f;
  p = p * m + -1.66471779e-1f;
  p = p * m + 1.99908301e-1f;
  p = p * m + -2.50000983e-1f;
  p = p * m + 3.33334506e-1f;
  p = p * m + -0.5f;
  vf r = p * (m * m) + m;
  return e * 0.693147182f + r;
}

INLINE vf log_vector(vf x) {
#if LANES == 16
  // Zero, infinity and NaN come out of the instructions as they must; below zero the mantissa is
  // NaN.
  vf m = _mm512_getmant_ps(x, _MM_MANT_NORM_p75_1p5, _MM_MANT_SIGN_nan);
  vf e = (vf)_mm512_getexp_ps(x) - (vf)_mm512_getexp_ps(m);
  return log_sum(m - 1.0f, e);
#else
  vi small = x < 0x1p-126f;
  vf scaled = small ? x * 0x1p24f : x;
  vi exponent = (as_int(scaled) - 0x3f400000) & (vi)(int32_t)0xff800000;
  vf e = to_float(exponent) * 0x1p-23f + (small ? (vf)-24.0f : (vf)0.0f);
  vf y = log_sum(as_float(as_int(scaled) - exponent) - 1.0f, e);
  y = x < INFINITY ? y : x;
  y = x > 0.0f ? y : (x == 0.0f ? (vf)-INFINITY : (vf)NAN);
  return y;
#endif
}

/// log(1 + x) for x > −1 and finite.
INLINE vf log1p_bounded(vf x) {
  vi exponent = (as_int(1.0f + x) - 0x3f400000) & (vi)(int32_t)0xff800000;
  vf scale = as_float(0x3f800000 - exponent);  // 2⁻ᵉ
  return log_sum(x * scale + (scale - 1.0f), to_float(exponent) * 0x1p-23f);
}

INLINE vf log1p_vector(vf x) {
  vf y = log1p_bounded(x);
  y = x < INFINITY ? y : x;
  return x > -1.0f ? y : (x == -1.0f ? (vf)-INFINITY : (vf)NAN);
}

/// log(1 + exp(x)) = max(x, 0) + log1p(exp(−|x|)).
INLINE vf softplus_vector(vf x) {
  vf t = exp_bounded(at_least(-magnitude(x), -105.0f));
  return (x <= 0.0f ? (vf)0.0f : x) + log1p_bounded(t);
}

// MARK: - Rounding, roots and cases

#if LANES == 4 && defined(__x86_64__)
// SSE2 rounds only by adding a large number and taking it away; larger values are whole.
INLINE vf round_vector(vf x) {
  const vf magic = 8388608.0f;
  vf size = magnitude(x), rounded = (size + magic) - magic;
  rounded = as_float(as_int(rounded) | (as_int(x) & INT32_MIN));
  return size < magic ? rounded : x;
}

INLINE vf floor_vector(vf x) {
  vf r = round_vector(x);
  return r > x ? r - 1.0f : r;
}

INLINE vf ceil_vector(vf x) { return -floor_vector(-x); }
#else
INLINE vf round_vector(vf x) { return __builtin_elementwise_roundeven(x); }
INLINE vf floor_vector(vf x) { return __builtin_elementwise_floor(x); }
INLINE vf ceil_vector(vf x) { return __builtin_elementwise_ceil(x); }
#endif

INLINE vf square_root(vf x) { return __builtin_elementwise_sqrt(x); }
INLINE vf square(vf x) { return x * x; }

INLINE vf sign_vector(vf x) {
  return x > 0.0f ? (vf)1.0f : (x < 0.0f ? (vf)-1.0f : x);
}

INLINE vf relu_vector(vf x) { return x <= 0.0f ? (vf)0.0f : x; }
INLINE vf elu_vector(vf x) { return x > 0.0f ? x : expm1_vector(x); }
