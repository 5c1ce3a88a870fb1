// Y = X · Wᵀ + bias, three ways.
//
// One row of X: each row of W is read once, in place, whatever its storage. A few rows: the same,
// with 16-bit rows expanded into L1, four at a time, and packed rows read again from cache for each
// row of X. More: a blocked product, which expands rows while it packs them. Parts are blocks of
// rows of W of about PART_BYTES, so that the split depends on the shape alone.
#include "product.h"
#include "scratch.h"
#include "table.h"

/// Bytes of W per part: about 5 µs of one core's share of the memory.
#define PART_BYTES 131072
/// Columns below which a row is short.
#define SHORT_ROW 256
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
  const float *arranged;  // the rows of X in the order that packed rows want, or NULL
  ptrdiff_t arranged_floats;
  ptrdiff_t rows_per_part;
} linear;

static void add_bias(const linear *l, ptrdiff_t first, ptrdiff_t count) {
  if (l->bias == NULL) return;
  for (ptrdiff_t i = 0; i < l->m; i++) {
    float *y = l->y + i * l->stride_y + first;
    l->table->add(count, y, l->bias + first, y);
  }
}

/// Asks for the bytes of the next rows while the current ones are multiplied.
static void fetch_rows(const ck_rows *w, ptrdiff_t first, ptrdiff_t count) {
  ptrdiff_t bytes_per_element = w->storage == CK_PACKED || w->storage == CK_BINARY ? 4 : 2;
  const char *from = (const char *)w->data + first * w->row_stride * bytes_per_element;
  ptrdiff_t bytes = count * w->row_stride * bytes_per_element;
  for (ptrdiff_t i = 0; i < bytes; i += 64) __builtin_prefetch(from + i, 0, 2);
}

static void few_rows(const linear *l, ptrdiff_t first, ptrdiff_t count) {
  const ck_rows *w = l->w;
  ck_dots dots = {.vectors = l->m,
                  .n = w->column_count,
                  .x = l->x,
                  .stride_x = l->stride_x,
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
    ptrdiff_t left = count - i - dots.rows;
    fetch_rows(w, first + i + dots.rows, left < EXPANDED_ROWS ? left : EXPANDED_ROWS);
    l->table->dots(&dots);
  }
}

static void linear_part(void *context, ptrdiff_t part) {
  const linear *l = context;
  ptrdiff_t first = part * l->rows_per_part, left = l->w->row_count - first;
  ptrdiff_t count = left < l->rows_per_part ? left : l->rows_per_part;
  if (l->arranged) {
    for (ptrdiff_t i = 0; i < l->m; i++) {
      const float *x = l->arranged + i * l->arranged_floats;
      l->table->arranged_dots(l->w, first, count, x, l->y + i * l->stride_y + first);
    }
  } else if (l->m == 1) {
    l->table->row_dots(l->w, first, count, l->x, l->y + first);
  } else {
    few_rows(l, first, count);
  }
  add_bias(l, first, count);
}

/// Brings the rows of X into the order of packed rows, when W has a layout that wants it.
static void arrange(linear *l) {
  l->arranged_floats = l->table->arranged_floats(l->w);
  if (l->arranged_floats == 0) return;
  float *out = ck_scratch(SCRATCH_JOB, l->m * l->arranged_floats);
  l->arranged = out;
  for (ptrdiff_t i = 0; i < l->m; i++, out += l->arranged_floats) {
    l->table->arrange(l->w->column_count, l->x + i * l->stride_x, out);
  }
}

static ptrdiff_t bytes_per_row(const ck_rows *w) {
  switch (w->storage) {
    case CK_FLOAT32: return 4 * w->column_count;
    case CK_FLOAT16:
    case CK_BFLOAT16: return 2 * w->column_count;
    case CK_PACKED:
    case CK_BINARY: return w->column_count / 2;  // at any width: what it costs
  }
  return 4 * w->column_count;
}

/// Rows of X up to which reading W in place beats packing it. With weights that come from memory
/// the crossing is near 48, 20 and 14 rows (float32, 16-bit, packed); short rows, whose lanes must
/// be summed more often, cross earlier.
static ptrdiff_t few_rows_limit(const ck_rows *w) {
  if (w->column_count < SHORT_ROW) return 4;
  switch (w->storage) {
    case CK_FLOAT32: return 32;
    case CK_FLOAT16:
    case CK_BFLOAT16: return 16;
    case CK_PACKED:
    case CK_BINARY: return 12;
  }
  return 4;
}

void ck_linear(const ck_rows *w, ptrdiff_t m, const float *x, ptrdiff_t stride_x, const float *bias,
               float *y, ptrdiff_t stride_y) {
  if (m <= 0 || w->row_count <= 0) return;
  if (m > few_rows_limit(w) && w->column_count > 0) {
#if defined(__APPLE__)
    if (w->storage == CK_FLOAT32) {
      ck_sgemm(false, true, m, w->row_count, w->column_count, x, stride_x, w->data, w->row_stride,
               0, y, stride_y);
      linear all = {.table = ck_current(), .m = m, .bias = bias, .y = y, .stride_y = stride_y};
      add_bias(&all, 0, w->row_count);
      return;
    }
#endif
    ck_product product = {.m = m,
                          .n = w->row_count,
                          .k = w->column_count,
                          .a = x,
                          .stride_a = stride_x,
                          .bias = bias,
                          .c = y,
                          .stride_c = stride_y};
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
  linear l = {.table = ck_current(),
              .w = w,
              .m = m,
              .x = x,
              .stride_x = stride_x,
              .bias = bias,
              .y = y,
              .stride_y = stride_y};
  arrange(&l);
  ptrdiff_t rows = PART_BYTES / (bytes_per_row(w) + 1);
  l.rows_per_part = rows < 4 ? 4 : rows / 4 * 4;
  ck_parallel((w->row_count + l.rows_per_part - 1) / l.rows_per_part, linear_part, &l);
}

void ck_linear_gradient(const ck_rows *w, ptrdiff_t m, const float *y, ptrdiff_t stride_y, float *x,
                        ptrdiff_t stride_x) {
  if (m <= 0 || w->column_count <= 0) return;
  if (w->storage == CK_FLOAT32 || w->row_count <= 0) {
    ck_sgemm(false, false, m, w->column_count, w->row_count, y, stride_y, w->data, w->row_stride, 0,
             x, stride_x);
    return;
  }
  ck_product product = {.m = m,
                        .n = w->column_count,
                        .k = w->row_count,
                        .a = y,
                        .stride_a = stride_y,
                        .rows = w,
                        .by_rows = true,
                        .c = x,
                        .stride_c = stride_x};
  ck_multiply_blocks(&product);
}

void ck_expand_row(const ck_rows *rows, ptrdiff_t row, ptrdiff_t column, ptrdiff_t count,
                   float *out) {
  ck_current()->expand_row(rows, row, column, count, out);
}
