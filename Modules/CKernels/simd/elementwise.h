// Operations on every element, with broadcasting inside a row, and reductions of rows and columns.
//
// An expression serves vectors and, for what is left of a row, single floats: only operators whose
// meaning is the same for both, `|` between comparisons. NaN in gives NaN out.

#define NANS(v) ((v) != (v))

// MARK: - Two operands

#define EVERY_COMBINATION(X)                             \
  X(combine_add, u + v)                                  \
  X(combine_subtract, u - v)                             \
  X(combine_multiply, u *v)                              \
  X(combine_divide, u / v)                               \
  X(combine_minimum, ((u < v) | NANS(u)) ? u : v)        \
  X(combine_maximum, ((u > v) | NANS(u)) ? u : v)

#define COMBINE(name, expression)                                                               \
  INLINE void name##_row(ptrdiff_t n, const float *a, bool one_a, const float *b, bool one_b,   \
                         float *out) {                                                          \
    const vf all_a = *a, all_b = *b;                                                            \
    const float first_a = *a, first_b = *b;                                                     \
    ptrdiff_t i = 0;                                                                            \
    for (; i + 2 * LANES <= n; i += 2 * LANES) {                                                \
      vf u = one_a ? all_a : load(a + i), v = one_b ? all_b : load(b + i), low = expression;    \
      u = one_a ? all_a : load(a + i + LANES), v = one_b ? all_b : load(b + i + LANES);         \
      vf high = expression;                                                                     \
      store(out + i, low);                                                                      \
      store(out + i + LANES, high);                                                             \
    }                                                                                           \
    for (; i + LANES <= n; i += LANES) {                                                        \
      vf u = one_a ? all_a : load(a + i), v = one_b ? all_b : load(b + i);                      \
      store(out + i, expression);                                                               \
    }                                                                                           \
    for (; i < n; i++) {                                                                        \
      float u = one_a ? first_a : a[i], v = one_b ? first_b : b[i];                             \
      out[i] = expression;                                                                      \
    }                                                                                           \
  }                                                                                             \
  static void name(const ck_pair *p, float *out) {                                              \
    const float *a = p->a, *b = p->b;                                                           \
    for (ptrdiff_t row = 0; row < p->rows; row++, a += p->row_a, b += p->row_b, out += p->n) {  \
      if (p->one_a) {                                                                           \
        name##_row(p->n, a, true, b, false, out);                                               \
      } else if (p->one_b) {                                                                    \
        name##_row(p->n, a, false, b, true, out);                                               \
      } else {                                                                                  \
        name##_row(p->n, a, false, b, false, out);                                              \
      }                                                                                         \
    }                                                                                           \
  }
EVERY_COMBINATION(COMBINE)
#undef COMBINE

static void kernel_combine(int operation, const ck_pair *pair, float *out) {
#define ENTRY(name, expression) name,
  static void (*const functions[])(const ck_pair *, float *) = {EVERY_COMBINATION(ENTRY)};
#undef ENTRY
  if (pair->rows > 0 && pair->n > 0) functions[operation](pair, out);
}
#undef EVERY_COMBINATION

// MARK: - Comparisons

typedef uint8_t vbytes __attribute__((ext_vector_type(LANES)));

#define EVERY_COMPARISON(X)   \
  X(compare_less, u < v)      \
  X(compare_at_most, u <= v)  \
  X(compare_greater, u > v)   \
  X(compare_at_least, u >= v) \
  X(compare_equal, u == v)    \
  X(compare_different, u != v)

#define COMPARE(name, expression)                                                               \
  INLINE void name##_row(ptrdiff_t n, const float *a, bool one_a, const float *b, bool one_b,   \
                         uint8_t *out) {                                                        \
    const vf all_a = *a, all_b = *b;                                                            \
    const float first_a = *a, first_b = *b;                                                     \
    ptrdiff_t i = 0;                                                                            \
    for (; i + LANES <= n; i += LANES) {                                                        \
      vf u = one_a ? all_a : load(a + i), v = one_b ? all_b : load(b + i);                      \
      vi found = expression;                                                                    \
      vbytes bytes = __builtin_convertvector(found & 1, vbytes);                                \
      memcpy(out + i, &bytes, LANES);                                                           \
    }                                                                                           \
    for (; i < n; i++) {                                                                        \
      float u = one_a ? first_a : a[i], v = one_b ? first_b : b[i];                             \
      out[i] = expression;                                                                      \
    }                                                                                           \
  }                                                                                             \
  static void name(const ck_pair *p, uint8_t *out) {                                            \
    const float *a = p->a, *b = p->b;                                                           \
    for (ptrdiff_t row = 0; row < p->rows; row++, a += p->row_a, b += p->row_b, out += p->n) {  \
      if (p->one_a) {                                                                           \
        name##_row(p->n, a, true, b, false, out);                                               \
      } else if (p->one_b) {                                                                    \
        name##_row(p->n, a, false, b, true, out);                                               \
      } else {                                                                                  \
        name##_row(p->n, a, false, b, false, out);                                              \
      }                                                                                         \
    }                                                                                           \
  }
EVERY_COMPARISON(COMPARE)
#undef COMPARE

static void kernel_compare(int operation, const ck_pair *pair, uint8_t *out) {
#define ENTRY(name, expression) name,
  static void (*const functions[])(const ck_pair *, uint8_t *) = {EVERY_COMPARISON(ENTRY)};
#undef ENTRY
  if (pair->rows > 0 && pair->n > 0) functions[operation](pair, out);
}
#undef EVERY_COMPARISON

// MARK: - Scaled sums

static void kernel_add_scaled(ptrdiff_t n, const float *x, float factor, float *out) {
  ptrdiff_t i = 0;
  for (; i + 2 * LANES <= n; i += 2 * LANES) {
    vf low = load(out + i) + factor * load(x + i);
    vf high = load(out + i + LANES) + factor * load(x + i + LANES);
    store(out + i, low);
    store(out + i + LANES, high);
  }
  for (; i < n; i += LANES) {
    ptrdiff_t count = n - i < LANES ? n - i : LANES;
    if (count == LANES) {
      store(out + i, load(out + i) + factor * load(x + i));
    } else {
      store_part(out + i, load_part(out + i, count) + factor * load_part(x + i, count), count);
    }
  }
}

// MARK: - Rows to numbers

/// The largest (`sign` 1) or smallest (`sign` −1) value times `sign`; NaN when one is NaN.
static float extreme_of(ptrdiff_t n, const float *x, float sign) {
  vf best0 = -INFINITY, best1 = best0;
  vi broken = 0;
  ptrdiff_t i = 0;
  for (; i + 2 * LANES <= n; i += 2 * LANES) {
    vf u = load(x + i) * sign, v = load(x + i + LANES) * sign;
    best0 = larger(u, best0), best1 = larger(v, best1);
    broken |= NANS(u) | NANS(v);
  }
  float best = largest_lane(larger(best0, best1));
  bool is_broken = __builtin_reduce_or(broken) != 0;
  for (; i < n; i++) {
    float v = x[i] * sign;
    best = v > best ? v : best;
    is_broken |= NANS(v);
  }
  return is_broken ? NAN : best;
}

static double product_of(ptrdiff_t n, const float *x) {
  vf p0 = 1, p1 = 1;
  ptrdiff_t i = 0;
  for (; i + 2 * LANES <= n; i += 2 * LANES) {
    p0 *= load(x + i);
    p1 *= load(x + i + LANES);
  }
  double product = 1;
  for (; i < n; i++) product *= x[i];
  p0 *= p1;
  for (int lane = 0; lane < LANES; lane++) product *= p0[lane];
  return product;
}

static void kernel_reduce_rows(int reduction, ptrdiff_t rows, ptrdiff_t n, const float *x,
                               ptrdiff_t stride, const double *centre, double *out) {
  for (ptrdiff_t row = 0; row < rows; row++, x += stride) {
    switch (reduction) {
      case CK_SUM: out[row] = sum_of(n, x); break;
      case CK_SQUARES: out[row] = squares_about(n, x, (float)centre[row]); break;
      case CK_PRODUCT: out[row] = product_of(n, x); break;
      case CK_MAXIMUM: out[row] = extreme_of(n, x, 1); break;
      default: out[row] = -extreme_of(n, x, -1); break;
    }
  }
}

static void kernel_arg_rows(bool largest, ptrdiff_t rows, ptrdiff_t n, const float *x,
                            int32_t *out) {
  float sign = largest ? 1 : -1;
  for (ptrdiff_t row = 0; row < rows; row++, x += n) {
    float best = extreme_of(n, x, sign) * sign;
    bool is_broken = NANS(best);
    ptrdiff_t i = 0;
    for (; i + LANES <= n; i += LANES) {
      vf v = load(x + i);
      vi found = is_broken ? NANS(v) : v == best;
      if (__builtin_reduce_or(found) != 0) break;
    }
    while (i < n - 1 && !(is_broken ? NANS(x[i]) : x[i] == best)) i++;
    out[row] = (int32_t)i;
  }
}

// MARK: - Columns to numbers

#define COLUMNS 512
#define ROW_BLOCK 64

/// Adds the columns' sums, or their sums of squares about `centre`, to `out`: four rows at a time
/// in single precision, blocks of rows in double.
static void sum_columns(bool squares, ptrdiff_t rows, ptrdiff_t n, const float *x, ptrdiff_t stride,
                        const float *centre, double *restrict out) {
  float partial[COLUMNS];
  for (ptrdiff_t start = 0; start < rows; start += ROW_BLOCK) {
    ptrdiff_t end = rows - start < ROW_BLOCK ? rows : start + ROW_BLOCK, row = start;
    memset(partial, 0, (size_t)n * sizeof *partial);
    for (; row + 4 <= end; row += 4) {
      const float *a = x + row * stride, *b = a + stride, *c = b + stride, *d = c + stride;
      if (squares) {
        for (ptrdiff_t j = 0; j < n; j++) {
          float m = centre[j], p = a[j] - m, q = b[j] - m, r = c[j] - m, s = d[j] - m;
          partial[j] += (p * p + q * q) + (r * r + s * s);
        }
      } else {
        for (ptrdiff_t j = 0; j < n; j++) partial[j] += (a[j] + b[j]) + (c[j] + d[j]);
      }
    }
    for (; row < end; row++) {
      const float *a = x + row * stride;
      for (ptrdiff_t j = 0; j < n; j++) {
        float p = squares ? (a[j] - centre[j]) * (a[j] - centre[j]) : a[j];
        partial[j] += p;
      }
    }
    for (ptrdiff_t j = 0; j < n; j++) out[j] += partial[j];
  }
}

#define COLUMN_LOOP(name, first, expression)                                                     \
  static void name(ptrdiff_t rows, ptrdiff_t n, const float *x, ptrdiff_t stride,                \
                   double *restrict out) {                                                       \
    float best[COLUMNS];                                                                         \
    for (ptrdiff_t j = 0; j < n; j++) best[j] = first;                                           \
    for (ptrdiff_t row = 0; row < rows; row++, x += stride) {                                    \
      for (ptrdiff_t j = 0; j < n; j++) {                                                        \
        float u = best[j], v = x[j];                                                             \
        best[j] = expression;                                                                    \
      }                                                                                          \
    }                                                                                            \
    for (ptrdiff_t j = 0; j < n; j++) out[j] = best[j];                                          \
  }
COLUMN_LOOP(multiply_columns, (float)out[j], u *v)
COLUMN_LOOP(largest_of_columns, (float)out[j], ((v > u) | NANS(v)) ? v : u)
COLUMN_LOOP(smallest_of_columns, (float)out[j], ((v < u) | NANS(v)) ? v : u)
#undef COLUMN_LOOP

static void kernel_reduce_columns(int reduction, ptrdiff_t rows, ptrdiff_t n, const float *x,
                                  ptrdiff_t stride, const double *centre, double *out) {
  for (ptrdiff_t j = 0; j < n; j += COLUMNS) {
    ptrdiff_t width = n - j < COLUMNS ? n - j : COLUMNS;
    float middle[COLUMNS];
    switch (reduction) {
      case CK_SUM: sum_columns(false, rows, width, x + j, stride, middle, out + j); break;
      case CK_SQUARES:
        for (ptrdiff_t i = 0; i < width; i++) middle[i] = (float)centre[j + i];
        sum_columns(true, rows, width, x + j, stride, middle, out + j);
        break;
      case CK_PRODUCT: multiply_columns(rows, width, x + j, stride, out + j); break;
      case CK_MAXIMUM: largest_of_columns(rows, width, x + j, stride, out + j); break;
      default: smallest_of_columns(rows, width, x + j, stride, out + j); break;
    }
  }
}

static void kernel_arg_columns(bool largest, ptrdiff_t rows, ptrdiff_t n, const float *x,
                               ptrdiff_t stride, int32_t *restrict out) {
  float best[COLUMNS], sign = largest ? 1 : -1;
  for (ptrdiff_t start = 0; start < n; start += COLUMNS, x += COLUMNS, out += COLUMNS) {
    ptrdiff_t width = n - start < COLUMNS ? n - start : COLUMNS;
    for (ptrdiff_t j = 0; j < width; j++) best[j] = x[j] * sign, out[j] = 0;
    for (ptrdiff_t row = 1; row < rows; row++) {
      const float *values = x + row * stride;
      for (ptrdiff_t j = 0; j < width; j++) {
        float v = values[j] * sign, u = best[j];
        bool is_better = (v > u) | (NANS(v) & (u == u));
        best[j] = is_better ? v : u;
        out[j] = is_better ? (int32_t)row : out[j];
      }
    }
  }
}
#undef COLUMNS
#undef ROW_BLOCK
#undef NANS

// MARK: - Transpose

/// Whole tiles go through registers; the edges one by one. The bits are moved, not computed with.
static void kernel_transpose(ptrdiff_t rows, ptrdiff_t columns, const uint32_t *x, ptrdiff_t stride,
                             uint32_t *out, ptrdiff_t out_stride) {
  enum { BLOCK = 64 };
  for (ptrdiff_t top = 0; top < rows; top += BLOCK) {
    ptrdiff_t bottom = rows - top < BLOCK ? rows : top + BLOCK;
    for (ptrdiff_t left = 0; left < columns; left += LANES) {
      ptrdiff_t width = columns - left < LANES ? columns - left : LANES, row = top;
      for (; width == LANES && row + LANES <= bottom; row += LANES) {
        vf tile[LANES];
        for (int i = 0; i < LANES; i++) memcpy(tile + i, x + (row + i) * stride + left, sizeof(vf));
        transpose(tile);
        for (int i = 0; i < LANES; i++) {
          memcpy(out + (left + i) * out_stride + row, tile + i, sizeof(vf));
        }
      }
      for (; row < bottom; row++) {
        for (ptrdiff_t i = 0; i < width; i++) {
          out[(left + i) * out_stride + row] = x[row * stride + left + i];
        }
      }
    }
  }
}
