// Layer norm and RMS norm of whole rows, with an addition before, and the way back.
//
// Forward, a row is read again from L1 for each pass. Backward, four rows go together, so that the
// sums for the weight and the bias are loaded and stored once for four rows.


INLINE void add_row(ptrdiff_t n, const float *x, const float *residual, float *sum) {
  ptrdiff_t i = 0;
  for (; i + 2 * LANES <= n; i += 2 * LANES) {
    vf u = load(x + i) + load(residual + i);
    vf v = load(x + i + LANES) + load(residual + i + LANES);
    store(sum + i, u);
    store(sum + i + LANES, v);
  }
  for (; i < n; i += LANES) {
    store_some(sum + i, load_some(x + i, n - i) + load_some(residual + i, n - i), n - i);
  }
}

/// weight · ((x − mean) · inverse) + bias
INLINE void normalize_row(const ck_norm *c, const float *x, float mean, float inverse,
                          bool weighs, bool shifts, float *out) {
  ptrdiff_t n = c->n, i = 0;
  for (; i + 2 * LANES <= n; i += 2 * LANES) {
    vf u = (load(x + i) - mean) * inverse, v = (load(x + i + LANES) - mean) * inverse;
    if (weighs) {
      u *= load(c->weight + i) + c->weight_offset;
      v *= load(c->weight + i + LANES) + c->weight_offset;
    }
    if (shifts) u += load(c->bias + i), v += load(c->bias + i + LANES);
    foresee(x + n + i);
    foresee(x + n + i + LANES);
    store(out + i, u);
    store(out + i + LANES, v);
  }
  for (; i < n; i += LANES) {
    vf u = (load_some(x + i, n - i) - mean) * inverse;
    if (weighs) u *= load_some(c->weight + i, n - i) + c->weight_offset;
    if (shifts) u += load_some(c->bias + i, n - i);
    store_some(out + i, u, n - i);
  }
}

static void kernel_norm_rows(const ck_norm *c) {
  ptrdiff_t n = c->n;
  for (ptrdiff_t row = 0; row < c->rows; row++) {
    const float *x = c->x + row * n;
    if (c->residual) {
      add_row(n, x, c->residual + row * n, c->sum + row * n);
      x = c->sum + row * n;
    }
    float mean = 0;
    double squares;
    if (c->centres) {
      mean = (float)(sum_of(n, x) / (double)n);
      squares = squares_about(n, x, mean);
    } else {
      squares = dot_of(n, x, x);
    }
    float inverse = (float)(1 / sqrt(squares / (double)n + c->epsilon));
    if (c->means) c->means[row] = mean;
    if (c->inverses) c->inverses[row] = inverse;
    float *out = c->out + row * n;
    if (c->weight && c->bias) {
      normalize_row(c, x, mean, inverse, true, true, out);
    } else if (c->weight) {
      normalize_row(c, x, mean, inverse, true, false, out);
    } else {
      normalize_row(c, x, mean, inverse, false, c->bias != NULL, out);
    }
  }
}

/// The means over a row of g ⊙ w and of g ⊙ w ⊙ x̂.
INLINE void gradient_means(const ck_norm_gradient *c, const float *x, const float *g, float mean,
                           float inverse, float *first, float *second) {
  ptrdiff_t n = c->n, i = 0;
  vf a0 = 0, a1 = 0, b0 = 0, b1 = 0;
  for (; i + 2 * LANES <= n; i += 2 * LANES) {
    vf u = load(g + i), v = load(g + i + LANES);
    if (c->weight) {
      u *= load(c->weight + i) + c->weight_offset;
      v *= load(c->weight + i + LANES) + c->weight_offset;
    }
    a0 += u;
    a1 += v;
    b0 += u * (load(x + i) - mean);
    b1 += v * (load(x + i + LANES) - mean);
  }
  for (; i < n; i += LANES) {
    vf u = load_some(g + i, n - i);
    if (c->weight) u *= load_some(c->weight + i, n - i) + c->weight_offset;
    a0 += u;
    b0 += u * (load_some(x + i, n - i) - mean);
  }
  *first = c->means ? sum_lanes(a0 + a1) / (float)n : 0;
  *second = sum_lanes(b0 + b1) * inverse / (float)n;
}

/// dx = inverse · (g ⊙ w − first − x̂ · second), dw += g ⊙ x̂, db += g for one row.
INLINE void norm_gradient_row(const ck_norm_gradient *c, ptrdiff_t row) {
  ptrdiff_t n = c->n;
  const float *x = c->x + row * n, *g = c->gradient + row * n;
  float *out = c->out ? c->out + row * n : NULL;
  float mean = c->means ? c->means[row] : 0, inverse = c->inverses[row], first = 0, second = 0;
  if (out) gradient_means(c, x, g, mean, inverse, &first, &second);
  for (ptrdiff_t i = 0; i < n; i += LANES) {
    ptrdiff_t count = n - i;
    vf u = load_some(g + i, count);
    vf unit = (load_some(x + i, count) - mean) * inverse;
    if (c->weight_sums) {
      store_some(c->weight_sums + i, load_some(c->weight_sums + i, count) + u * unit, count);
    }
    if (c->bias_sums) {
      store_some(c->bias_sums + i, load_some(c->bias_sums + i, count) + u, count);
    }
    if (out == NULL) continue;
    if (c->weight) u *= load_some(c->weight + i, count) + c->weight_offset;
    vf dx = inverse * (u - first - unit * second);
    if (c->adds) dx += load_some(out + i, count);
    store_some(out + i, dx, count);
  }
}

static void kernel_norm_gradient_rows(const ck_norm_gradient *c) {
  for (ptrdiff_t row = 0; row < c->rows; row++) norm_gradient_row(c, row);
}
