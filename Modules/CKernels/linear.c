// Y = X · Wᵀ + bias, three ways.
//
// One row of X: each row of W is read once, in place, whatever its storage. A few rows: the same,
// with 16-bit and packed rows expanded into L1, four at a time. More: a blocked product, which
// expands rows while it packs them. Parts are blocks of rows of W of about PART_BYTES, so that the
// split depends on the shape alone.
#include "product.h"
#include "scratch.h"
#include "table.h"

/// Rows of X up to which no operand is packed.
#define FEW_ROWS 8
/// Bytes of W per part: about 5 µs of one core's share of the memory.
#define PART_BYTES 131072
/// Rows that are expanded together.
#define EXPANDED_ROWS 4

typedef struct {
  const ck_table *table;
  const ck_rows *w;
  ptrdiff_t m;
  const float *x;
  ptrdiff_t stride_x;
  const float *bias;
  float *y;
  ptrdiff_t stride_y;
  const float *arranged;  // one row of X in the order that packed rows want, or NULL
  ptrdiff_t rows_per_part;
} linear;

static void add_bias(const linear *l, ptrdiff_t first, ptrdiff_t count) {
  if (l->bias == NULL) return;
  for (ptrdiff_t i = 0; i < l->m; i++) {
    float *y = l->y + i * l->stride_y + first;
    l->table->add(count, y, l->bias + first, y);
  }
}

static void few_rows(const linear *l, ptrdiff_t first, ptrdiff_t count) {
  const ck_rows *w = l->w;
  ck_dots dots = {.vectors = l->m, .n = w->column_count, .x = l->x, .stride_x = l->stride_x,
                  .stride_y = l->stride_y};
  if (w->storage == CK_FLOAT32) {
    dots.rows = count;
    dots.w = (const float *)w->data + first * w->row_stride;
    dots.stride_w = w->row_stride;
    dots.y = l->y + first;
    l->table->dots(&dots);
    return;
  }
  float *expanded = ck_scratch(SCRATCH_PART, EXPANDED_ROWS * w->column_count);
  dots.w = expanded;
  dots.stride_w = w->column_count;
  for (ptrdiff_t i = 0; i < count; i += dots.rows) {
    dots.rows = count - i < EXPANDED_ROWS ? count - i : EXPANDED_ROWS;
    dots.y = l->y + first + i;
    for (ptrdiff_t j = 0; j < dots.rows; j++) {
      l->table->expand_row(w, first + i + j, 0, dots.n, expanded + j * dots.n);
    }
    l->table->dots(&dots);
  }
}

static void linear_part(void *context, ptrdiff_t part) {
  const linear *l = context;
  ptrdiff_t first = part * l->rows_per_part, left = l->w->row_count - first;
  ptrdiff_t count = left < l->rows_per_part ? left : l->rows_per_part;
  if (l->m == 1) {
    if (l->arranged) {
      l->table->arranged_dots(l->w, first, count, l->arranged, l->y + first);
    } else {
      l->table->row_dots(l->w, first, count, l->x, l->y + first);
    }
  } else {
    few_rows(l, first, count);
  }
  add_bias(l, first, count);
}

static ptrdiff_t bytes_per_row(const ck_rows *w) {
  switch (w->storage) {
    case CK_FLOAT32: return 4 * w->column_count;
    case CK_FLOAT16:
    case CK_BFLOAT16: return 2 * w->column_count;
    case CK_PACKED: return w->column_count;  // what it costs, not what it reads
  }
  return 4 * w->column_count;
}

void ck_linear(const ck_rows *w, ptrdiff_t m, const float *x, ptrdiff_t stride_x,
               const float *bias, float *y, ptrdiff_t stride_y) {
  if (m <= 0 || w->row_count <= 0) return;
  if (m > FEW_ROWS && w->column_count > 0) {
    ck_product product = {.m = m, .n = w->row_count, .k = w->column_count, .a = x,
                          .stride_a = stride_x, .bias = bias, .c = y, .stride_c = stride_y};
    if (w->storage == CK_FLOAT32) {
      product.b = w->data;
      product.stride_b = w->row_stride;
      product.transpose_b = true;
    } else {
      product.rows = w;
    }
    ck_multiply_blocks(&product);
    return;
  }
  linear l = {ck_current(), w, m, x, stride_x, bias, y, stride_y, NULL, 0};
  ptrdiff_t arranged = m == 1 ? l.table->arranged_floats(w) : 0;
  if (arranged > 0) {
    float *out = ck_scratch(SCRATCH_JOB, arranged);
    l.table->arrange(w->column_count, x, out);
    l.arranged = out;
  }
  ptrdiff_t rows = PART_BYTES / (bytes_per_row(w) + 1);
  l.rows_per_part = rows < 4 ? 4 : rows / 4 * 4;
  ck_parallel((w->row_count + l.rows_per_part - 1) / l.rows_per_part, linear_part, &l);
}

void ck_expand_row(const ck_rows *rows, ptrdiff_t row, ptrdiff_t column, ptrdiff_t count,
                   float *out) {
  ck_current()->expand_row(rows, row, column, count, out);
}
