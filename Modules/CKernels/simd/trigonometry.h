// Sine and cosine: x = n · π/2 + r with π/2 in four pieces whose products with n are exact up to
// |n| = 2¹³ (Cody and Waite), then one of two polynomials by the parity of n. Larger arguments go
// to the C library one by one.
#define WIDEST_ANGLE 12000.0f

INLINE vf sine_of(vf x, int quarter) {
  const vf magic = 12582912.0f;
  vf shifted = x * 0.636619772f + magic;
  vf n = shifted - magic;
  vf r = x - n * 1.5703125f;
  r = r - n * 4.835128784179688e-4f;
  r = r - n * 3.138557076454162e-7f;
  r = r - n * 6.0771006282767102e-11f;
  vf u = r * r;
  vf s = u * -1.95172145e-4f + 8.332178e-3f;
  s = s * u + -1.66666552e-1f;
  s = s * (u * r) + r;
  vf c = u * 2.44383555e-5f + -1.38873665e-3f;
  c = c * u + 4.16666456e-2f;
  c = c * (u * u) + (1.0f - 0.5f * u);
  vi turn = as_int(shifted) + quarter;
  vf y = (turn & 1) != 0 ? c : s;
  return as_float(as_int(y) ^ ((turn & 2) << 30));
}

static __attribute__((noinline)) vf wide_sine(vf x, vf y, int quarter) {
  for (int i = 0; i < LANES; i++) {
    if (!(fabsf(x[i]) <= WIDEST_ANGLE)) y[i] = quarter ? cosf(x[i]) : sinf(x[i]);
  }
  return y;
}

/// sin(x + quarter · π/2), quarter 0 or 1.
INLINE vf turned_sine(vf x, int quarter) {
  vf y = sine_of(x, quarter);
  vi wide = ~(magnitude(x) <= WIDEST_ANGLE);
  if (__builtin_expect(__builtin_reduce_or(wide) != 0, 0)) y = wide_sine(x, y, quarter);
  return y;
}

INLINE vf sin_vector(vf x) { return turned_sine(x, 0); }
INLINE vf cos_vector(vf x) { return turned_sine(x, 1); }
