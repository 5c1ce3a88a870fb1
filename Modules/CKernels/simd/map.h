// Element by element: sums, products and the functions built on exp.
//
// exp(x) = 2ⁿ · exp(r) with n = round(x · log₂e) and |r| ≤ ln2/2, r by two constants (Cody and
// Waite), exp(r) by the degree-7 polynomial of Cephes' expf: within 1.5 units in the last place
// from the smallest subnormal to the largest float; beyond, 0 and infinity; NaN stays NaN. 2ⁿ is
// applied as two factors, so that n may leave the range of a normal exponent.

INLINE vf exp_vector(vf x) {
  const vf magic = 12582912.0f;  // 1.5 · 2²³: adding it rounds to an integer
  x = x > 89.0f ? (vf)89.0f : x;
  x = x < -105.0f ? (vf)-105.0f : x;
  vf shifted = x * 1.44269504088896341f + magic;
  vf n = shifted - magic;
  vf r = x - n * 0.693359375f;
  r = r - n * -2.12194440e-4f;
  vf p = r * 1.9875691500e-4f + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = p * (r * r) + r + 1.0f;
#if LANES == 16
  return _mm512_scalef_ps(p, n);
#else
  vi exponent = as_int(shifted) - as_int(magic), half = exponent >> 1;
  return p * as_float((half + 127) << 23) * as_float((exponent - half + 127) << 23);
#endif
}

INLINE vf silu_vector(vf x) { return x / (1.0f + exp_vector(-x)); }

/// tanh by way of 1 − 2 / (exp(2x) + 1).
INLINE vf tanh_vector(vf x) { return 1.0f - 2.0f / (exp_vector(x + x) + 1.0f); }

/// x/2 · (1 + tanh(u)) = x / (1 + exp(−2u)), u = √(2/π) · (x + 0.044715 x³).
INLINE vf gelu_tanh_vector(vf x) {
  vf u = x * 0.7978845608028654f * (1.0f + 0.044715f * (x * x));
  return x / (1.0f + exp_vector(-2.0f * u));
}

#define MAP_ONE(name, parameters, expression) \
  static void kernel_##name parameters {      \
    ptrdiff_t i = 0;                          \
    for (; i + LANES <= n; i += LANES) {      \
      vf v = load(x + i);                     \
      store(out + i, expression);             \
    }                                         \
    if (i < n) {                              \
      vf v = load_part(x + i, n - i);         \
      store_part(out + i, expression, n - i); \
    }                                         \
  }

#define MAP_TWO(name, expression)                                                      \
  static void kernel_##name(ptrdiff_t n, const float *a, const float *b, float *out) { \
    ptrdiff_t i = 0;                                                                   \
    for (; i + 2 * LANES <= n; i += 2 * LANES) {                                       \
      vf u = load(a + i), v = load(b + i), low = expression;                           \
      u = load(a + i + LANES), v = load(b + i + LANES);                                \
      vf high = expression;                                                            \
      store(out + i, low);                                                             \
      store(out + i + LANES, high);                                                    \
    }                                                                                  \
    for (; i < n; i += LANES) {                                                        \
      ptrdiff_t count = n - i;                                                         \
      if (count >= LANES) {                                                            \
        vf u = load(a + i), v = load(b + i);                                           \
        store(out + i, expression);                                                    \
      } else {                                                                         \
        vf u = load_part(a + i, count), v = load_part(b + i, count);                   \
        store_part(out + i, expression, count);                                        \
      }                                                                                \
    }                                                                                  \
  }

MAP_TWO(add, u + v)
MAP_TWO(subtract, u - v)
MAP_TWO(multiply, u *v)
MAP_TWO(divide, u / v)
MAP_TWO(silu_multiply, silu_vector(u) * v)
MAP_ONE(scale_shift, (ptrdiff_t n, const float *x, float a, float b, float *out), a *v + b)
MAP_ONE(exp, (ptrdiff_t n, const float *x, float *out), exp_vector(v))
MAP_ONE(silu, (ptrdiff_t n, const float *x, float *out), silu_vector(v))
MAP_ONE(gelu_tanh, (ptrdiff_t n, const float *x, float *out), gelu_tanh_vector(v))
#undef MAP_ONE
#undef MAP_TWO
