// The error function and what GELU makes of the normal distribution.
//
// The tail of the normal distribution is 1 − Φ(a) = h(a) · exp(−a²/2) for a ≥ 0, with h a
// polynomial in (a − 3)/(a + 3), relative error below 2⁻²⁷ up to a = 13. So GELU keeps its relative
// accuracy for negative arguments, where 1 + erf cancels.

/// h(a) = (1 − Φ(a)) · exp(a²/2) for a in [0, 14].
INLINE vf tail_factor(vf a) {
  vf q = 1.0f - 6.0f / (a + 3.0f);
  vf p = q * 5.41508707e-5f + 1.16037401e-4f;
  p = p * q + -3.39911348e-4f;
  p = p * q + -9.84182814e-4f;
  p = p * q + 2.90470268e-3f;
  p = p * q + 6.13218313e-3f;
  p = p * q + -4.62133139e-2f;
  p = p * q + 1.23225018e-1f;
  p = p * q + -2.06402615e-1f;
  return p * q + 1.21513948e-1f;
}

/// x · Φ(x) = max(x, 0) − |x| · (1 − Φ(|x|)).
INLINE vf gelu_vector(vf x) {
  vf a = at_most(magnitude(x), 14.0f);
  return relu_vector(x) - a * (tail_factor(a) * exp_bounded(-0.5f * (a * a)));
}

/// Φ(x) + x · φ(x).
INLINE vf gelu_slope(vf x) {
  vf a = at_most(magnitude(x), 14.0f);
  vf e = exp_bounded(-0.5f * (a * a));
  vf y = e * (a * 0.398942280f - tail_factor(a));  // slope(−a) = −y, slope(a) = 1 + y
  return x < 0.0f ? -y : 1.0f + y;
}

/// Near zero x · P(x²), else ±(1 − 2 · tail(√2 |x|)).
INLINE vf erf_vector(vf x) {
  vf u = x * x;
  vf p = u * 7.8538571e-5f + -8.01019254e-4f;
  p = p * u + 5.18832775e-3f;
  p = p * u + -2.6853811e-2f;
  p = p * u + 1.12835854e-1f;
  p = p * u + -3.7612626e-1f;
  p = (p * u + 1.12837911f) * x;
  vf a = at_most(magnitude(x), 9.0f);
  vf t = 2.0f * (tail_factor(a * 1.41421356f) * exp_bounded(-(a * a)));
  vf far = as_float(as_int(1.0f - t) | (as_int(x) & INT32_MIN));
  return a < 1.0f ? p : far;
}

/// The slope of erf: 2/√π · exp(−x²).
INLINE vf erf_slope(vf x) {
  vf a = at_most(magnitude(x), 10.0f);
  return 1.12837917f * exp_bounded(-(a * a));
}

// MARK: - The tanh form

/// −2u, where the form is x/2 · (1 + tanh(u)), u = √(2/π) · (x + 0.044715 x³).
INLINE vf gelu_tanh_exponent(vf x) {
  return x * -1.5957691216057308f * (1.0f + 0.044715f * (x * x));
}

/// x / (1 + exp(−2u)).
INLINE vf gelu_tanh_vector(vf x) {
  x = at_least(x, -12.0f);  // where the result left the range of float
  return x / (1.0f + exp_vector(gelu_tanh_exponent(x)));
}

/// s + x · s · (1 − s) · 2u′ with s = 1 / (1 + exp(−2u)).
INLINE vf gelu_tanh_slope(vf x) {
  vf e = exp_vector(at_most(gelu_tanh_exponent(x), 80.0f));
  vf a = at_most(at_least(x, -12.0f), 12.0f);
  vf s = 1.0f / (1.0f + e);
  vf turn = a * 1.5957691216057308f * (1.0f + 0.134145f * (a * a));
  return s + (s * (e * s)) * turn;
}
