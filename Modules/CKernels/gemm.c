// Matrix products in packed blocks (Goto and van de Geijn, "Anatomy of high-performance matrix
// multiplication").
//
// For each block of columns, then of k, the block of B is packed, by all threads, into panels that
// the register tile reads with stride 1; then the block of C is cut into parts, taken dynamically.
// A tall product is cut into parts of rows, each of which packs its own rows of A into its L2; else
// A is packed together with B, and parts may share rows. A part passes each panel of B under its
// rows; panels come from L2 or L3: at 14 × 32 the tile needs 9 bytes of B per cycle.
//
// Blocks of k are balanced (576 is one block, 1024 is two of 512) and always added in order, so
// that an element of C is the same sum whatever the split.
//
// Measured on two Zen 5 cores, GFLOP/s on one and two threads, OpenBLAS with its AVX-512 kernels
// forced in parentheses (torch: 115 / 225): 512³ 259 / 508 (258 / 481), 1024³ 255 / 512 (255 / 500),
// a layer of 320 to 960 on 2048 rows 262 / 499 (254 / 494), its dX 259 / 479 (258 / 489), its dW
// 241 / 464 (248 / 490); 320 to 4096: 260 / 489 (256 / 478), 241 / 467 (240 / 458), 233 / 450
// (234 / 449); 512 to 8192: 258 / 498 (256 / 477), 245 / 484 (240 / 481), 243 / 466 (239 / 463).
// Multiply-adds in registers reach 251 to 256 on one core, more when its clock is free to rise.
// On a Zen 3 core with AVX2 (100 in registers): 87 to 94, the transposed products 86 to 92.
#include "product.h"
#include "scratch.h"
#include "table.h"

#define K_BLOCK 640            // a panel of B: 80 KiB at 32 columns
#define LEFT_FLOATS 65536      // a part's block of A: half of 512 KiB of L2, twice that at 16 lanes
#define COLUMN_BLOCK 2048      // packed B: at most 5 MiB of L3
#define ROW_BLOCK 2048         // packed A: the same
#define TALL_PANELS 64         // panels of A from which on a part packs its own
#define TALL_PARTS 8           // parts that a tall product has at least,
#define THREAD_PARTS 4         // and for each thread: fewer read B less often
#define PART_PRODUCTS 1000000  // multiply-adds worth a part of their own, about 10 µs
#define SMALL_RIGHT 32768      // floats of B that are read in place
#define PACK_FLOATS 16384      // floats worth a part of packing

static ptrdiff_t minimum(ptrdiff_t a, ptrdiff_t b) { return a < b ? a : b; }
static ptrdiff_t divide_up(ptrdiff_t a, ptrdiff_t b) { return (a + b - 1) / b; }

/// The block that covers `extent` in as few pieces as `limit` allows, all but the last equal and a
/// multiple of `unit`.
static ptrdiff_t balanced(ptrdiff_t extent, ptrdiff_t limit, ptrdiff_t unit) {
  if (extent <= limit && unit == 1) return extent;
  ptrdiff_t pieces = divide_up(extent, limit);
  return divide_up(divide_up(extent, pieces), unit) * unit;
}

/// The block of a product that is being computed.
typedef struct {
  const ck_product *product;
  const ck_table *table;
  ptrdiff_t row, rows, column, columns, p, k;
  ptrdiff_t panel_rows;
  bool tall;  // each part packs its own rows of A
  float *left, *right;
  ptrdiff_t left_step, left_parts;    // packing: rows, columns or steps of k per part
  ptrdiff_t right_step, right_extent;
  ptrdiff_t row_step, row_parts, column_step;   // multiplying
} block;

// MARK: - Packing

// Operands whose memory runs along k are packed by panels, the others by steps of k: a part reads
// long pieces of consecutive rows.

/// Packs rows [first, first + count) of the block of A, whose memory runs along k.
static void pack_left_rows(const block *b, ptrdiff_t first, ptrdiff_t count, float *out) {
  const ck_product *product = b->product;
  const float *from = product->a + (b->row + first) * product->stride_a + b->p;
  b->table->pack_rows(from, product->stride_a, count, b->k, b->panel_rows, out);
}

/// Packs steps [p, p + k) of those rows, where memory runs along the rows.
static void pack_left_steps(const block *b, ptrdiff_t first, ptrdiff_t count, ptrdiff_t p,
                            ptrdiff_t k, float *out) {
  const ck_product *product = b->product;
  const float *from = product->a + (b->p + p) * product->stride_a + b->row + first;
  // The last panel may be lower than the others.
  ptrdiff_t last = count % b->panel_rows, whole = count - last;
  b->table->pack_transposed_rows(from, product->stride_a, whole, k, b->k, b->panel_rows,
                                 out + p * b->panel_rows);
  b->table->pack_transposed_rows(from + whole, product->stride_a, last, k, b->k, last,
                                 out + whole * b->k + p * last);
}

static void pack_stored_rows(const block *b, ptrdiff_t first, ptrdiff_t count) {
  ptrdiff_t width = b->table->tile_columns;
  float *expanded = ck_scratch(SCRATCH_PART, width * b->k);
  for (ptrdiff_t i = 0; i < count; i += width) {
    ptrdiff_t height = minimum(width, count - i);
    for (ptrdiff_t j = 0; j < height; j++) {
      ptrdiff_t row = b->column + first + i + j;
      ck_expand_row(b->product->rows, row, b->p, b->k, expanded + j * b->k);
    }
    float *out = b->right + (first + i) * b->k;
    b->table->pack_transposed_columns(expanded, b->k, height, b->k, out);
  }
}

/// Packs steps [first, first + count) of k, each a piece of a stored row.
static void pack_stored_steps(const block *b, ptrdiff_t first, ptrdiff_t count) {
  float *expanded = ck_scratch(SCRATCH_PART, count * b->columns);
  for (ptrdiff_t i = 0; i < count; i++) {
    ck_expand_row(b->product->rows, b->p + first + i, b->column, b->columns,
                  expanded + i * b->columns);
  }
  b->table->pack_columns(expanded, b->columns, b->columns, count, b->k,
                         b->right + first * b->table->tile_columns);
}

static void pack_right(const block *b, ptrdiff_t first, ptrdiff_t count) {
  const ck_product *product = b->product;
  if (product->rows && product->by_rows) {
    pack_stored_steps(b, first, count);
  } else if (product->rows) {
    pack_stored_rows(b, first, count);
  } else if (product->transpose_b) {
    const float *from = product->b + (b->column + first) * product->stride_b + b->p;
    b->table->pack_transposed_columns(from, product->stride_b, count, b->k,
                                      b->right + first * b->k);
  } else {
    const float *from = product->b + (b->p + first) * product->stride_b + b->column;
    b->table->pack_columns(from, product->stride_b, b->columns, count, b->k,
                           b->right + first * b->table->tile_columns);
  }
}

static void pack_part(void *context, ptrdiff_t part) {
  const block *b = context;
  if (part >= b->left_parts) {
    ptrdiff_t first = (part - b->left_parts) * b->right_step;
    pack_right(b, first, minimum(b->right_step, b->right_extent - first));
    return;
  }
  ptrdiff_t first = part * b->left_step;
  if (b->product->transpose_a) {
    pack_left_steps(b, 0, b->rows, first, minimum(b->left_step, b->k - first), b->left);
  } else {
    ptrdiff_t count = minimum(b->left_step, b->rows - first);
    pack_left_rows(b, first, count, b->left + first * b->k);
  }
}

/// Packs the operands that changed since the last block.
static void pack(block *b, bool left, bool right) {
  const ck_product *product = b->product;
  ptrdiff_t tile_columns = b->table->tile_columns, floats = PACK_FLOATS / b->k + 1;
  ptrdiff_t left_extent = product->transpose_a ? b->k : b->rows;
  b->left_step = product->transpose_a ? PACK_FLOATS / b->rows + 8
                                      : divide_up(floats, b->panel_rows) * b->panel_rows;
  b->left_parts = left ? divide_up(left_extent, b->left_step) : 0;
  bool by_steps = product->rows ? product->by_rows : !product->transpose_b;
  b->right_extent = by_steps ? b->k : b->columns;
  b->right_step =
      by_steps ? PACK_FLOATS / b->columns + 8 : divide_up(floats, tile_columns) * tile_columns;
  ptrdiff_t right_parts = right ? divide_up(b->right_extent, b->right_step) : 0;
  ptrdiff_t parts = b->left_parts + right_parts;
  if ((b->rows + b->columns) * b->k > PACK_FLOATS) {
    ck_parallel(parts, pack_part, b);
  } else {
    for (ptrdiff_t part = 0; part < parts; part++) pack_part(b, part);
  }
}

// MARK: - Multiplying

static void multiply_part(void *context, ptrdiff_t part) {
  const block *b = context;
  const ck_product *product = b->product;
  ptrdiff_t first_row = part % b->row_parts * b->row_step;
  ptrdiff_t first_column = part / b->row_parts * b->column_step;
  ptrdiff_t end_row = minimum(first_row + b->row_step, b->rows);
  ptrdiff_t end_column = minimum(first_column + b->column_step, b->columns);
  const float *left = b->tall ? NULL : b->left + first_row * b->k;
  if (b->tall) {
    float *own = ck_scratch(SCRATCH_LEFT, b->row_step * b->k + b->table->lanes);
    if (product->transpose_a) {
      pack_left_steps(b, first_row, end_row - first_row, 0, b->k, own);
    } else {
      pack_left_rows(b, first_row, end_row - first_row, own);
    }
    left = own;
  }
  bool first = b->p == 0;
  ck_tile tile = {.rows = b->panel_rows,
                  .k = b->k,
                  .a = left,
                  .b_stride = b->table->tile_columns,
                  .c_stride = product->stride_c};
  tile.mode = !first || product->accumulate ? TILE_ADD : product->bias ? TILE_BIAS : TILE_SET;
  for (ptrdiff_t j = first_column; j < end_column; j += b->table->tile_columns) {
    ptrdiff_t next = j + b->table->tile_columns;
    tile.b = b->right + j * b->k;
    tile.ahead = next < end_column ? b->right + next * b->k : tile.b;
    tile.columns = minimum(b->table->tile_columns, end_column - j);
    if (product->bias) tile.bias = product->bias + b->column + j;
    tile.c = product->c + (b->row + first_row) * product->stride_c + b->column + j;
    b->table->tile_column(&tile, end_row - first_row);
  }
}

/// Cuts the block into parts: as large as the caches like, but at least eight when there is work
/// for them.
static void multiply(block *b) {
  ptrdiff_t tile_columns = b->table->tile_columns;
  ptrdiff_t row_limit = LEFT_FLOATS * (b->table->lanes < 16 ? 1 : 2) / b->k;
  ptrdiff_t tall_parts = THREAD_PARTS * ck_thread_count();
  if (tall_parts < TALL_PARTS) tall_parts = TALL_PARTS;
  if (b->tall) row_limit = minimum(row_limit, divide_up(b->rows, tall_parts));
  if (row_limit < b->panel_rows) row_limit = b->panel_rows;
  b->row_step = balanced(b->rows, row_limit, b->panel_rows);
  b->row_parts = divide_up(b->rows, b->row_step);
  if (b->tall) {
    b->column_step = b->columns;
    ck_parallel(b->row_parts, multiply_part, b);
    return;
  }
  ptrdiff_t wanted = minimum(8, b->rows * b->columns / (PART_PRODUCTS / b->k + 1));
  ptrdiff_t column_parts = divide_up(wanted > 1 ? wanted : 1, b->row_parts);
  b->column_step = balanced(b->columns, divide_up(b->columns, column_parts), tile_columns);
  if (b->column_step > 512) b->column_step = 512;
  ck_parallel(b->row_parts * divide_up(b->columns, b->column_step), multiply_part, b);
}

void ck_multiply_blocks(const ck_product *product) {
  const ck_table *table = ck_current();
  block b = {.product = product, .table = table};
  b.panel_rows = balanced(product->m, table->tile_rows, 1);
  ptrdiff_t k_step = balanced(product->k, K_BLOCK, 8);
  b.tall = divide_up(product->m, b.panel_rows) >= TALL_PANELS;
  ptrdiff_t row_step = b.tall ? product->m : balanced(product->m, ROW_BLOCK, b.panel_rows);
  ptrdiff_t column_step = balanced(product->n, COLUMN_BLOCK, table->tile_columns);
  ptrdiff_t longest = minimum(k_step, product->k);
  if (!b.tall) {
    b.left = ck_scratch(SCRATCH_LEFT, minimum(row_step, product->m) * longest + table->lanes);
  }
  b.right = ck_scratch(SCRATCH_RIGHT, column_step * longest);
  bool left_is_one_block = product->m <= row_step && product->k <= k_step;
  for (b.column = 0; b.column < product->n; b.column += column_step) {
    b.columns = minimum(column_step, product->n - b.column);
    for (b.p = 0; b.p < product->k; b.p += k_step) {
      b.k = minimum(k_step, product->k - b.p);
      for (b.row = 0; b.row < product->m; b.row += row_step) {
        b.rows = minimum(row_step, product->m - b.row);
        pack(&b, !b.tall && (b.column == 0 || !left_is_one_block), b.row == 0);
        multiply(&b);
      }
    }
  }
}

// MARK: - Small products

typedef struct {
  const ck_product *product;
  const ck_table *table;
  ptrdiff_t panel_rows, row_step;
  const float *packed;  // B in panels, or NULL where it is read in place
} small_product;

/// Whether B can be read in place: nothing to transpose, in whole vectors.
static bool has_right_in_place(const ck_product *product, const ck_table *table) {
  return !product->transpose_b && product->n % table->lanes == 0;
}

/// Whether A can be read in place, and B too or after little work: one block of k, B small enough
/// for the caches, A read no more often than packing it would pay for.
static bool is_small(const ck_product *product, const ck_table *table) {
  if (product->transpose_a) return false;
  // Rows of A whole pages apart fall into one set of L1.
  bool collides = product->stride_a % 1024 == 0 && product->m > 1;
  bool one_part = product->m * product->n * product->k <= PART_PRODUCTS;
  bool few_columns =
      product->n <= 4 * table->tile_columns && product->k * product->n <= SMALL_RIGHT;
  if (product->k > K_BLOCK || collides) return false;
  if (has_right_in_place(product, table)) return one_part || few_columns;
  return one_part && product->k * product->n <= SMALL_RIGHT;
}

static void small_part(void *context, ptrdiff_t part) {
  const small_product *s = context;
  const ck_product *product = s->product;
  ptrdiff_t first = part * s->row_step, end = minimum(first + s->row_step, product->m);
  ck_tile tile = {.k = product->k,
                  .a_stride = product->stride_a,
                  .direct = 1,
                  .b_stride = product->stride_b,
                  .c_stride = product->stride_c,
                  .mode = product->accumulate ? TILE_ADD : TILE_SET};
  if (s->packed) tile.b_stride = s->table->tile_columns;
  for (ptrdiff_t j = 0; j < product->n; j += s->table->tile_columns) {
    tile.b = s->packed ? s->packed + j * product->k : product->b + j;
    tile.columns = minimum(s->table->tile_columns, product->n - j);
    for (ptrdiff_t i = first; i < end; i += s->panel_rows) {
      tile.a = product->a + i * product->stride_a;
      tile.rows = minimum(s->panel_rows, end - i);
      tile.c = product->c + i * product->stride_c + j;
      s->table->tile(&tile);
    }
  }
}

static void multiply_small(const ck_product *product, const ck_table *table) {
  small_product s = {.product = product, .table = table};
  s.panel_rows = balanced(product->m, table->tile_rows, 1);
  if (!has_right_in_place(product, table)) {
    ptrdiff_t k = product->k, n = product->n;
    float *panels = ck_scratch(SCRATCH_RIGHT, (n + table->tile_columns - 1) * k);
    if (product->transpose_b) {
      table->pack_transposed_columns(product->b, product->stride_b, n, k, panels);
    } else {
      table->pack_columns(product->b, product->stride_b, n, k, k, panels);
    }
    s.packed = panels;
  }
  if (product->m * product->n * product->k <= PART_PRODUCTS) {
    s.row_step = product->m;
    small_part(&s, 0);
    return;
  }
  ptrdiff_t row_limit = PART_PRODUCTS / (product->n * product->k) + 1;
  s.row_step = balanced(product->m, row_limit, s.panel_rows);
  ck_parallel(divide_up(product->m, s.row_step), small_part, &s);
}

// MARK: - Vectors

/// A row of `columns` sums over the rows of a matrix, cut into parts of columns.
typedef struct {
  const ck_table *table;
  ptrdiff_t k, columns, column_step;
  const float *x;
  ptrdiff_t stride_x;
  const float *b;
  ptrdiff_t stride_b;
  bool accumulate;
  float *y;
} combination;

static void combine_part(void *context, ptrdiff_t part) {
  const combination *c = context;
  ptrdiff_t first = part * c->column_step, count = minimum(c->column_step, c->columns - first);
  c->table->combine_rows(c->k, count, c->x, c->stride_x, c->b + first, c->stride_b, c->accumulate,
                         c->y + first);
}

static void combine(combination *c) {
  // Long pieces of each row, which the hardware foresees.
  ptrdiff_t floats = PACK_FLOATS / c->k + 1, least = floats < 512 ? 512 : floats;
  c->column_step = balanced(c->columns, least, c->table->tile_columns);
  ck_parallel(divide_up(c->columns, c->column_step), combine_part, c);
}

/// Products with a vector read the matrix once, in place. False when this one has none.
static bool multiply_vector(const ck_product *p, const ck_table *table) {
  bool row = p->m == 1 && !p->transpose_b;
  bool column = p->n == 1 && p->stride_c == 1;
  bool dense = p->transpose_b || p->stride_b == 1;
  if (column && !p->transpose_a && dense && !p->accumulate) {
    ck_rows rows = {.storage = CK_FLOAT32,
                    .row_count = p->m,
                    .column_count = p->k,
                    .data = p->a,
                    .row_stride = p->stride_a};
    ck_linear(&rows, 1, p->b, p->k, NULL, p->c, p->m);
  } else if (column && p->transpose_a) {
    combination c = {table, p->k, p->m, 0, p->b, p->transpose_b ? 1 : p->stride_b, p->a,
                     p->stride_a, p->accumulate, p->c};
    combine(&c);
  } else if (row) {
    combination c = {table, p->k, p->n, 0, p->a, p->transpose_a ? p->stride_a : 1, p->b,
                     p->stride_b, p->accumulate, p->c};
    combine(&c);
  } else {
    return false;
  }
  return true;
}

/// What is left of C when there is nothing to sum: zeros, or C itself.
static void clear(ptrdiff_t m, ptrdiff_t n, float *c, ptrdiff_t stride_c) {
  for (ptrdiff_t i = 0; i < m; i++) {
    for (ptrdiff_t j = 0; j < n; j++) c[i * stride_c + j] = 0;
  }
}

#if defined(__APPLE__)
#include <Accelerate/Accelerate.h>
#endif

void ck_sgemm(bool transpose_a, bool transpose_b, ptrdiff_t m, ptrdiff_t n, ptrdiff_t k,
              const float *a, ptrdiff_t stride_a, const float *b, ptrdiff_t stride_b, float beta,
              float *c, ptrdiff_t stride_c) {
  if (m <= 0 || n <= 0) return;
  if (k <= 0) {
    if (beta == 0) clear(m, n, c, stride_c);
    return;
  }
#if defined(__APPLE__)
  cblas_sgemm(CblasRowMajor, transpose_a ? CblasTrans : CblasNoTrans,
              transpose_b ? CblasTrans : CblasNoTrans, (int)m, (int)n, (int)k, 1, a, (int)stride_a,
              b, (int)stride_b, beta, c, (int)stride_c);
#else
  ck_product product = {.m = m,
                        .n = n,
                        .k = k,
                        .a = a,
                        .stride_a = stride_a,
                        .transpose_a = transpose_a,
                        .b = b,
                        .stride_b = stride_b,
                        .transpose_b = transpose_b,
                        .accumulate = beta != 0,
                        .c = c,
                        .stride_c = stride_c};
  const ck_table *table = ck_current();
  if ((m == 1 || n == 1) && multiply_vector(&product, table)) return;
  if (is_small(&product, table)) {
    multiply_small(&product, table);
  } else {
    ck_multiply_blocks(&product);
  }
#endif
}
