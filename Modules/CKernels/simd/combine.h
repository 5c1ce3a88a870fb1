// A row times a matrix that lies across it: y = Σ x[p] · row p of B.

/// Rows of B that are added together: as many streams as a core follows.
#define ROWS_COMBINED 8

INLINE vf combine_step(vf sum, const float *factors, const float *b, ptrdiff_t stride, int rows,
                       ptrdiff_t count) {
#pragma clang loop unroll(full)
  for (int p = 0; p < rows; p++) {
    const float *row = b + p * stride;
    sum += factors[p] * (count < LANES ? load_part(row, count) : load(row));
  }
  return sum;
}

INLINE void combine_some(ptrdiff_t n, const float *factors, const float *b, ptrdiff_t stride,
                         int rows, bool adds, float *y) {
  ptrdiff_t i = 0;
  for (; i + LANES <= n; i += LANES) {
    // Each row may lie on a page of its own, where the hardware foresees nothing.
    for (int p = 0; p < rows; p++) __builtin_prefetch(b + (rows + p) * stride + i);
    vf sum = adds ? load(y + i) : (vf)0;
    store(y + i, combine_step(sum, factors, b + i, stride, rows, LANES));
  }
  if (i == n) return;
  vf sum = adds ? load_part(y + i, n - i) : (vf)0;
  store_part(y + i, combine_step(sum, factors, b + i, stride, rows, n - i), n - i);
}

/// Each element is one chain of multiply-adds in the order of the rows.
static void combine_rows(ptrdiff_t k, ptrdiff_t n, const float *x, ptrdiff_t stride_x,
                         const float *b, ptrdiff_t stride_b, bool adds, float *y) {
  ptrdiff_t p = 0;
  for (; p + ROWS_COMBINED <= k; p += ROWS_COMBINED, adds = true) {
    float factors[ROWS_COMBINED];
    for (int i = 0; i < ROWS_COMBINED; i++) factors[i] = x[(p + i) * stride_x];
    combine_some(n, factors, b + p * stride_b, stride_b, ROWS_COMBINED, adds, y);
  }
  for (; p < k; p++, adds = true) {
    combine_some(n, x + p * stride_x, b + p * stride_b, stride_b, 1, adds, y);
  }
}
