// Pooling and resampling of one plane [height × width].

/// The largest element under each place of a window, and where it lies; the first of equal ones,
/// and NaN before all.
static void kernel_max_pool(const ck_max_pooling *p, const float *x, float *out, int32_t *index) {
  for (ptrdiff_t y = 0; y < p->out_height; y++, out += p->out_width, index += p->out_width) {
    for (ptrdiff_t i = 0; i < p->out_width; i++) {
      out[i] = -INFINITY;
      index[i] = -1;
    }
    for (ptrdiff_t ky = 0; ky < p->kernel_height; ky++) {
      ptrdiff_t row = y * p->stride_height + ky * p->dilation_height - p->padding_height;
      if (row < 0 || row >= p->height) continue;
      for (ptrdiff_t kx = 0; kx < p->kernel_width; kx++) {
        // The places where this column of the window lies on the plane.
        ptrdiff_t first = kx * p->dilation_width - p->padding_width, step = p->stride_width;
        ptrdiff_t begin = first < 0 ? (-first + step - 1) / step : 0;
        ptrdiff_t end = first < p->width ? (p->width - first + step - 1) / step : 0;
        if (end > p->out_width) end = p->out_width;
        int32_t place = (int32_t)(row * p->width + first);
        const float *from = x + row * p->width + first;
#pragma clang loop vectorize(enable)
        for (ptrdiff_t i = begin; i < end; i++) {
          float value = from[i * step];
          bool larger = value > out[i] || index[i] < 0 || value != value;
          out[i] = larger ? value : out[i];
          index[i] = larger ? place + (int32_t)(i * step) : index[i];
        }
      }
    }
  }
}

/// out[y, x] = Σ row weight · column weight · in: rows first, into one row of `scratch`.
static void kernel_resample(const ck_resampling *r, const float *x, float *scratch, float *out) {
  for (ptrdiff_t y = 0; y < r->out_height; y++, out += r->out_width) {
    for (int32_t t = r->row_first[y]; t < r->row_first[y + 1]; t++) {
      const float *from = x + r->row_index[t] * r->width;
      vf weight = r->row_weight[t];
      bool first = t == r->row_first[y];
      for (ptrdiff_t i = 0; i < r->width; i += LANES) {
        vf v = weight * load_up_to(from + i, r->width - i);
        if (!first) v += load_up_to(scratch + i, r->width - i);
        store_up_to(scratch + i, v, r->width - i);
      }
    }
    for (ptrdiff_t i = 0; i < r->out_width; i++) {
      float sum = 0;
      for (int32_t t = r->column_first[i]; t < r->column_first[i + 1]; t++) {
        sum += r->column_weight[t] * scratch[r->column_index[t]];
      }
      out[i] = sum;
    }
  }
}

/// The transpose: adds to `out` [height × width] what each element of x [out_height × out_width]
/// sends back.
static void kernel_resample_transposed(const ck_resampling *r, const float *x, float *scratch,
                                       float *out) {
  for (ptrdiff_t y = 0; y < r->out_height; y++, x += r->out_width) {
    for (ptrdiff_t i = 0; i < r->width; i++) scratch[i] = 0;
    for (ptrdiff_t i = 0; i < r->out_width; i++) {
      for (int32_t t = r->column_first[i]; t < r->column_first[i + 1]; t++) {
        scratch[r->column_index[t]] += r->column_weight[t] * x[i];
      }
    }
    for (int32_t t = r->row_first[y]; t < r->row_first[y + 1]; t++) {
      float *to = out + r->row_index[t] * r->width;
      vf weight = r->row_weight[t];
      for (ptrdiff_t i = 0; i < r->width; i += LANES) {
        vf v = load_up_to(to + i, r->width - i) + weight * load_up_to(scratch + i, r->width - i);
        store_up_to(to + i, v, r->width - i);
      }
    }
  }
}
