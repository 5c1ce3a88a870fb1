// Rows of a weight matrix times one vector or a few: the products of a decoder.
//
// One vector: four rows at once, two vectors of partial sums each, so that each load of x serves
// four rows and the memory sees four streams. 16-bit storage widens in registers. A row's sum has
// the same order whether it is one of four or alone.
//
// A few vectors: DOT_ROWS × DOT_VECTORS sums in registers; the weights are read once from memory
// and again from L1 for each further group of vectors.
//
// Measured on a decoder's 538 MB of float32 weights, Zen 5: 40.8 GB/s on one core and 48.4 on two,
// which is what a summing loop reads; bfloat16 36.4 and 44.0.
#if LANES == 16 || defined(__aarch64__)
#define DOT_ROWS 4
#else
#define DOT_ROWS 2
#endif
#define DOT_VECTORS 4

/// Rows up to this many bytes fetch the next four rows ahead, longer ones DOT_PREFETCH bytes of
/// themselves: hardware follows a stream only when it is long.
#define DOT_SHORT_ROW 4096
#define DOT_PREFETCH 1024

#define DOTS(name, type, load_row, load_row_part)                                                 \
  INLINE void name##_rows(int rows, const type *w, ptrdiff_t stride, ptrdiff_t n, const float *x, \
                          float *y) {                                                             \
    vf sum[4][2];                                                                                 \
    for (int r = 0; r < rows; r++) sum[r][0] = sum[r][1] = 0;                                     \
    ptrdiff_t i = 0, bytes = stride * (ptrdiff_t)sizeof(type);                                    \
    ptrdiff_t ahead = bytes <= DOT_SHORT_ROW ? 4 * bytes : DOT_PREFETCH;                          \
    for (; i + 2 * LANES <= n; i += 2 * LANES) {                                                  \
      vf low = load(x + i), high = load(x + i + LANES);                                           \
      for (int r = 0; r < rows; r++) {                                                            \
        const type *from = w + r * stride + i;                                                    \
        __builtin_prefetch((const char *)from + ahead, 0, 3);                                     \
        sum[r][0] += load_row(from) * low;                                                        \
        sum[r][1] += load_row(from + LANES) * high;                                               \
      }                                                                                           \
    }                                                                                             \
    if (i + LANES <= n) {                                                                         \
      vf low = load(x + i);                                                                       \
      for (int r = 0; r < rows; r++) sum[r][0] += load_row(w + r * stride + i) * low;             \
      i += LANES;                                                                                 \
    }                                                                                             \
    if (i < n) {                                                                                  \
      vf low = load_part(x + i, n - i);                                                           \
      for (int r = 0; r < rows; r++) {                                                            \
        sum[r][1] += load_row_part(w + r * stride + i, n - i) * low;                              \
      }                                                                                           \
    }                                                                                             \
    for (int r = 0; r < rows; r++) y[r] = sum_lanes(sum[r][0] + sum[r][1]);                       \
  }                                                                                               \
  static void name(const type *w, ptrdiff_t stride, ptrdiff_t rows, ptrdiff_t n, const float *x,  \
                   float *y) {                                                                    \
    ptrdiff_t row = 0;                                                                            \
    for (; row + 4 <= rows; row += 4) name##_rows(4, w + row * stride, stride, n, x, y + row);    \
    for (; row < rows; row++) name##_rows(1, w + row * stride, stride, n, x, y + row);            \
  }

#define LOAD_FLOAT16(p) widen_float16(load_half(p))
#define LOAD_FLOAT16_PART(p, count) widen_float16(load_half_part(p, count))
#define LOAD_BFLOAT16(p) widen_bfloat16(load_half(p))
#define LOAD_BFLOAT16_PART(p, count) widen_bfloat16(load_half_part(p, count))
DOTS(dots_float32, float, load, load_part)
DOTS(dots_float16, uint16_t, LOAD_FLOAT16, LOAD_FLOAT16_PART)
DOTS(dots_bfloat16, uint16_t, LOAD_BFLOAT16, LOAD_BFLOAT16_PART)
#undef DOTS

/// Rows of codes that no kernel multiplies in place: binary ones, and packed ones whose groups do not
/// suit packed_dot.h.
static void dots_expanded(const ck_rows *rows, ptrdiff_t first, ptrdiff_t count, const float *x,
                          float *y) {
  float *expanded = ck_scratch(SCRATCH_PART, rows->column_count);
  for (ptrdiff_t i = 0; i < count; i++) {
    kernel_expand_row(rows, first + i, 0, rows->column_count, expanded);
    y[i] = kernel_dot(rows->column_count, expanded, x);
  }
}

/// y[i] = rows[first + i] · x.
static void row_dots(const ck_rows *rows, ptrdiff_t first, ptrdiff_t count, const float *x,
                     float *y) {
  ptrdiff_t at = first * rows->row_stride, stride = rows->row_stride, n = rows->column_count;
  switch (rows->storage) {
    case CK_FLOAT32: dots_float32((const float *)rows->data + at, stride, count, n, x, y); break;
    case CK_FLOAT16: dots_float16((const uint16_t *)rows->data + at, stride, count, n, x, y); break;
    case CK_BFLOAT16:
      dots_bfloat16((const uint16_t *)rows->data + at, stride, count, n, x, y);
      break;
    case CK_PACKED:
    case CK_BINARY: dots_expanded(rows, first, count, x, y); break;
  }
}

// MARK: - A few vectors

/// One step: a vector of each row times a vector of each x, `count` lanes of them.
INLINE void dot_step(int rows, int vectors, const ck_dots *d, const float *w, const float *x,
                     ptrdiff_t count, vf sum[DOT_ROWS][DOT_VECTORS]) {
  vf right[DOT_VECTORS];
#pragma clang loop unroll(full)
  for (int v = 0; v < vectors; v++) {
    const float *from = x + v * d->stride_x;
    right[v] = count == LANES ? load(from) : load_part(from, count);
  }
#pragma clang loop unroll(full)
  for (int r = 0; r < rows; r++) {
    const float *from = w + r * d->stride_w;
    vf left = count == LANES ? load(from) : load_part(from, count);
    for (int v = 0; v < vectors; v++) sum[r][v] += left * right[v];
  }
}

INLINE void dot_tile(int rows, int vectors, const ck_dots *d, ptrdiff_t row, ptrdiff_t vector) {
  vf sum[DOT_ROWS][DOT_VECTORS];
  const float *w = d->w + row * d->stride_w, *x = d->x + vector * d->stride_x;
  for (int r = 0; r < rows; r++) {
    for (int v = 0; v < vectors; v++) sum[r][v] = 0;
  }
  ptrdiff_t bytes = d->stride_w * (ptrdiff_t)sizeof(float), i = 0;
  ptrdiff_t ahead = bytes <= DOT_SHORT_ROW ? DOT_ROWS * bytes : DOT_PREFETCH;
  for (; i + LANES <= d->n; i += LANES) {
    for (int r = 0; r < rows; r++) {
      __builtin_prefetch((const char *)(w + r * d->stride_w + i) + ahead, 0, 3);
    }
    dot_step(rows, vectors, d, w + i, x + i, LANES, sum);
  }
  if (i < d->n) dot_step(rows, vectors, d, w + i, x + i, d->n - i, sum);
  for (int r = 0; r < rows; r++) {
    for (int v = 0; v < vectors; v++) {
      d->y[(vector + v) * d->stride_y + row + r] = sum_lanes(sum[r][v]);
    }
  }
}

INLINE void dot_row_group(int rows, const ck_dots *d, ptrdiff_t row) {
  ptrdiff_t v = 0;
  for (; v + DOT_VECTORS <= d->vectors; v += DOT_VECTORS) dot_tile(rows, DOT_VECTORS, d, row, v);
  switch (d->vectors - v) {
    case 1: dot_tile(rows, 1, d, row, v); break;
    case 2: dot_tile(rows, 2, d, row, v); break;
    case 3: dot_tile(rows, 3, d, row, v); break;
  }
}

/// y[v, r] = w[r] · x[v] for a few vectors.
static void dots(const ck_dots *d) {
  ptrdiff_t row = 0;
  for (; row + DOT_ROWS <= d->rows; row += DOT_ROWS) dot_row_group(DOT_ROWS, d, row);
  for (; row < d->rows; row++) dot_row_group(1, d, row);
}
