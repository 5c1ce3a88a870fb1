// Sums and scalings of whole vectors, which other kernels build on.

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
MAP_ONE(scale_shift, (ptrdiff_t n, const float *x, float a, float b, float *out), a *v + b)
#undef MAP_ONE
#undef MAP_TWO
