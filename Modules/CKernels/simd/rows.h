// Functions of whole rows: softmax, the norms and the rotary embedding. A row is read again from L1
// for each of its passes.

static void kernel_softmax_rows(ptrdiff_t rows, ptrdiff_t n, const float *x, float *out) {
  for (ptrdiff_t row = 0; row < rows; row++, x += n, out += n) {
    double sum = sum_of_exponentials(n, x, largest_of(n, x), out);
    kernel_scale_shift(n, out, (float)(1 / sum), 0, out);
  }
}

static void kernel_rms_norm_rows(ptrdiff_t rows, ptrdiff_t n, const float *x, const float *weight,
                                 float epsilon, float *out) {
  for (ptrdiff_t row = 0; row < rows; row++, x += n, out += n) {
    float inverse = (float)(1 / sqrt(dot_of(n, x, x) / (double)n + epsilon));
    ptrdiff_t i = 0;
    for (; i + LANES <= n; i += LANES) {
      store(out + i, load(weight + i) * (load(x + i) * inverse));
    }
    if (i < n) {
      vf v = load_part(weight + i, n - i) * (load_part(x + i, n - i) * inverse);
      store_part(out + i, v, n - i);
    }
  }
}

static void kernel_layer_norm_rows(ptrdiff_t rows, ptrdiff_t n, const float *x, const float *weight,
                                   const float *bias, float epsilon, float *out) {
  for (ptrdiff_t row = 0; row < rows; row++, x += n, out += n) {
    float mean = (float)(sum_of(n, x) / (double)n);
    float inverse = (float)(1 / sqrt(squares_about(n, x, mean) / (double)n + epsilon));
    for (ptrdiff_t i = 0; i < n; i += LANES) {
      ptrdiff_t count = n - i;
      if (count >= LANES) {
        vf v = load(weight + i) * ((load(x + i) - mean) * inverse);
        store(out + i, bias ? v + load(bias + i) : v);
      } else {
        vf v = load_part(weight + i, count) * ((load_part(x + i, count) - mean) * inverse);
        store_part(out + i, bias ? v + load_part(bias + i, count) : v, count);
      }
    }
  }
}

static void kernel_rotate_half(ptrdiff_t heads, ptrdiff_t width, const float *cosines,
                               const float *sines, float *x) {
  ptrdiff_t half = width / 2;
  for (ptrdiff_t head = 0; head < heads; head++, x += width) {
    float *y = x + half;
    for (ptrdiff_t i = 0; i < half; i += LANES) {
      ptrdiff_t count = half - i;
      if (count >= LANES) {
        vf low = load(x + i), high = load(y + i), c = load(cosines + i), s = load(sines + i);
        store(x + i, low * c - high * s);
        store(y + i, high * c + low * s);
      } else {
        vf low = load_part(x + i, count), high = load_part(y + i, count);
        vf c = load_part(cosines + i, count), s = load_part(sines + i, count);
        store_part(x + i, low * c - high * s, count);
        store_part(y + i, high * c + low * s, count);
      }
    }
  }
}
