// Gated linear units: y = f(gate) · up, and both gradients in one pass.

#define EVERY_GATE(X)                                                                            \
  X(CK_SIGMOID, sigmoid, sigmoid_vector(g), f *(1.0f - f))                                       \
  X(CK_RELU, relu, relu_vector(g), g <= 0.0f ? (vf)0.0f : (vf)1.0f)                              \
  X(CK_GELU, gelu, gelu_vector(g), gelu_slope(g))                                                \
  X(CK_GELU_TANH, gelu_tanh, gelu_tanh_vector(g), gelu_tanh_slope(g))                            \
  X(CK_SILU, silu, silu_vector(g), silu_slope(g))

#define GATE(number, name, value, slope)                                                          \
  static void gate_##name(ptrdiff_t n, const float *gate, const float *up, float *out) {          \
    ptrdiff_t i = 0;                                                                              \
    for (; i + LANES <= n; i += LANES) {                                                          \
      vf g = load(gate + i), f = value;                                                           \
      store(out + i, f * load(up + i));                                                           \
    }                                                                                             \
    if (i < n) {                                                                                  \
      vf g = load_part(gate + i, n - i), f = value;                                               \
      store_part(out + i, f * load_part(up + i, n - i), n - i);                                   \
    }                                                                                             \
  }                                                                                               \
  static void gate_slopes_##name(ptrdiff_t n, const float *gate, const float *up,                 \
                                 const float *gradient, float *gate_gradient,                     \
                                 float *up_gradient) {                                            \
    ptrdiff_t i = 0;                                                                              \
    for (; i + LANES <= n; i += LANES) {                                                          \
      vf g = load(gate + i), u = load(up + i), d = load(gradient + i), f = value;                 \
      store(gate_gradient + i, d * u * (slope));                                                  \
      store(up_gradient + i, d * f);                                                              \
    }                                                                                             \
    if (i < n) {                                                                                  \
      vf g = load_part(gate + i, n - i), u = load_part(up + i, n - i);                            \
      vf d = load_part(gradient + i, n - i), f = value;                                           \
      store_part(gate_gradient + i, d * u * (slope), n - i);                                      \
      store_part(up_gradient + i, d * f, n - i);                                                  \
    }                                                                                             \
  }
EVERY_GATE(GATE)
#undef GATE

static void kernel_gate(int function, ptrdiff_t n, const float *gate, const float *up, float *out) {
  switch (function) {
#define CASE(number, name, value, slope) \
  case number: gate_##name(n, gate, up, out); break;
    EVERY_GATE(CASE)
#undef CASE
  }
}

static void kernel_gate_slopes(int function, ptrdiff_t n, const float *gate, const float *up,
                               const float *gradient, float *gate_gradient, float *up_gradient) {
  switch (function) {
#define CASE(number, name, value, slope)                                                      \
  case number: gate_slopes_##name(n, gate, up, gradient, gate_gradient, up_gradient); break;
    EVERY_GATE(CASE)
#undef CASE
  }
}
#undef EVERY_GATE
