// y = x · Wᵀ + bias for interleaved matrices: chooses the kernels and splits the work.
//
// Few rows of x: each band of W is read once for each of them, by the kernels of vector.h. More:
// bands are unpacked, some columns at a time, and multiplied with blocks of rows, by those of
// panel.h; those of signs become floats, some bands at a time, and go through the matrix product. What the
// rounding of some units left is multiplied while the band is near, by those of remainders.h. Parts are
// ranges of bands, for many rows times blocks of rows, so that the split depends on the shapes alone. Blocks
// of outputs that scale their inputs are products by themselves.
#include <math.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>
#if defined(__aarch64__) && defined(__linux__)
#include <sys/auxv.h>
#endif

#include "interleaved_rounding.h"
#include "scratch.h"

/// Rows of x from which bands are unpacked.
#define MANY_ROWS 4
/// Rows of x that share an unpacked panel: more unpack less often, until their bytes leave L2. 128 and 256
/// were 3 and 12 % faster than 64, with AVX2 and with AVX-512.
static ptrdiff_t block_rows(const ck_interleaved_table *table) {
  return table->panel_rows > 8 ? 256 : 128;
}

/// Rows of x times planes from which three and more planes of signs become floats. Measured on Zen 5, one
/// thread: look-ups 78 billion products a second with 3 planes and 60 with 4, whatever the rows; floats
/// 62 and 59 with 32 rows, 81 and 79 with 64, 110 with 512.
#define FLOAT_PLANE_ROWS 192
/// Rows of signs that do so together: their panel of floats is used for all rows of x.
#define FLOAT_PART_ROWS 128

/// Rows of x that a block of outputs takes at once. Measured for blocks of 128 and 4096 inputs and outputs, Zen
/// 5, one thread: 135 µs a row with 16, 110 with 64, 107 with 128. As floats (see below) they took 166.
#define SCALED_ROWS 128

/// Rows of x whose tables do.
#define TABLE_ROWS 16
/// Bytes of W per part of a product with few rows: about 2 µs of a core, so that threads end together.
#define PART_BYTES 32768
/// Multiplications per part of a product with many rows, about: at least the first, for which threads end
/// together, and the second where that leaves LEAST_PARTS, because a block of x must come to L2 for each
/// part.
#define SMALL_PART_PRODUCTS ((ptrdiff_t)4 << 20)
#define LARGE_PART_PRODUCTS ((ptrdiff_t)32 << 20)
#define LEAST_PARTS 64

// MARK: - Choice of the kernels

static const ck_interleaved_table *choose(void) {
#if defined(__x86_64__)
  const char *isa = ck_isa();
  if (strcmp(isa, "avx512") == 0 && __builtin_cpu_supports("avx512vnni")) {
    return &ck_interleaved_vnni;
  }
  if (strcmp(isa, "baseline") != 0) return &ck_interleaved_avx2;
#elif defined(__aarch64__) && defined(__APPLE__)
  return &ck_interleaved_dot;
#elif defined(__aarch64__) && defined(__linux__)
  const unsigned long dot_products = 1ul << 20;  // HWCAP_ASIMDDP
  if (getauxval(AT_HWCAP) & dot_products) return &ck_interleaved_dot;
#endif
  return &ck_interleaved_baseline;
}

static _Atomic(const ck_interleaved_table *) current;

static const ck_interleaved_table *kernels(void) {
  const ck_interleaved_table *table = atomic_load_explicit(&current, memory_order_relaxed);
  if (__builtin_expect(table == NULL, 0)) {
    table = choose();
    atomic_store_explicit(&current, table, memory_order_relaxed);
  }
  return table;
}

// MARK: - Products

/// How one product is split.
typedef struct {
  bool by_panel;
  ptrdiff_t height, bytes;  // of a band
  ptrdiff_t bands, bands_per_part, blocks, parts;
} split;

/// Products that are one job.
#define JOB_PRODUCTS 8

typedef struct {
  const ck_rounded_rows *x;
  const ck_interleaved_product *products;
  ptrdiff_t count;
  split splits[JOB_PRODUCTS];
} work;

static split split_of(const ck_interleaved *m, const ck_rounded_rows *x) {
  split s = {.by_panel = x->out.tile > 1 && m->codes != CK_SIGNS,
             .height = ck_interleaved_band_rows(m),
             .bytes = ck_interleaved_band_bytes(m),
             .blocks = 1};
  ptrdiff_t rows = x->count, each;
  s.bands = (m->row_count + s.height - 1) / s.height;
  if (s.by_panel) {
    ptrdiff_t most = block_rows(x->table), block = rows < most ? rows : most;
    s.blocks = (rows + most - 1) / most;
    ptrdiff_t products = s.bands * s.height * rows * m->column_count / LEAST_PARTS;
    if (products < SMALL_PART_PRODUCTS) products = SMALL_PART_PRODUCTS;
    if (products > LARGE_PART_PRODUCTS) products = LARGE_PART_PRODUCTS;
    each = products / (s.height * block * m->column_count + 1);
    // Whole panels, which may have the rows of two bands.
    ptrdiff_t bands = x->table->panel_rows > s.height ? x->table->panel_rows / s.height : 1;
    each = (each < 1 ? bands : each + bands - 1) / bands * bands;
  } else {
    s.blocks = (rows + TABLE_ROWS - 1) / TABLE_ROWS;
    each = PART_BYTES / (s.bytes + 1);
  }
  s.bands_per_part = each < 1 ? 1 : each;
  s.parts = (s.bands + s.bands_per_part - 1) / s.bands_per_part * s.blocks;
  return s;
}

/// Whether a product with one row at a time is by look-up.
static bool has_tables(const ck_interleaved *m) {
  return m->codes == CK_SIGNS || m->codes == CK_CODES_2;
}

/// Writes the sums of `height` rows of W to row `index` of y.
static void put_sums(const ck_interleaved_product *product, ptrdiff_t index, ptrdiff_t first,
                     ptrdiff_t height, const float *sums) {
  ptrdiff_t left = product->matrix->row_count - first, count = left < height ? left : height;
  float *y = product->y + index * product->stride_y + first;
  const float *bias = product->bias;
  if (bias == NULL && count == 8) {
    memcpy(y, sums, 8 * sizeof(float));  // what bands of most models end with
  } else if (bias == NULL && count == 32) {
    memcpy(y, sums, 32 * sizeof(float));
  } else if (bias) {
    for (ptrdiff_t i = 0; i < count; i++) y[i] = sums[i] + bias[first + i];
  } else {
    for (ptrdiff_t i = 0; i < count; i++) y[i] = sums[i];
  }
}

static void multiply_few(const work *w, const ck_interleaved_product *product, const split *s,
                         ptrdiff_t band, ptrdiff_t end, ptrdiff_t block) {
  const ck_interleaved *m = product->matrix;
  const ck_interleaved_table *table = w->x->table;
  const ck_again *again = has_tables(m) ? &w->x->tables : &w->x->codes;
  ptrdiff_t height = s->height, bytes = s->bytes;
  ptrdiff_t first = block * TABLE_ROWS, left = w->x->count - first;
  ptrdiff_t last = first + (left < TABLE_ROWS ? left : TABLE_ROWS);
  float sums[32];
  for (; band < end; band++) {
    const uint8_t *data = m->data + band * bytes;
    for (ptrdiff_t i = first; i < last; i++) {
      table->multiply_band(m, data, &w->x->out, i, sums);
      ptrdiff_t from = again->starts[i], to = again->starts[i + 1];
      if (from < to) table->add_remainders(m, data, &again->list, from, to, sums);
      put_sums(product, i, band * height, height, sums);
    }
  }
}

// MARK: - Panels

/// Which units a panel takes next, and their runs.
static void move_panel(const ck_interleaved *m, ptrdiff_t first, ck_panel *panel) {
  ptrdiff_t all = ck_units(m->column_count), width = ck_units_per_group(m), end;
  bool has_unit_scales = m->scales == CK_SCALES_4K || m->scales == CK_SCALES_6K;
  if (has_unit_scales) width = 1;
  if (width < CK_PANEL_UNITS) {
    end = first + CK_PANEL_UNITS / width * width;
  } else {
    end = (first / width + 1) * width;  // of the group
    if (end > first + CK_PANEL_UNITS) end = first + CK_PANEL_UNITS;
  }
  if (end > all) end = all;
  panel->first = first;
  panel->units = end - first;
  panel->units_per_run = width < CK_PANEL_UNITS ? width : panel->units;
  panel->runs = (panel->units + panel->units_per_run - 1) / panel->units_per_run;
}

/// The sums of the activations of a run, for a tile of rows.
static void sum_run(const float *from, ptrdiff_t units, float to[CK_TILE_TOKENS]) {
  float sums[CK_TILE_TOKENS] = {0};
  for (ptrdiff_t unit = 0; unit < units; unit++, from += CK_TILE_TOKENS) {
    for (int i = 0; i < CK_TILE_TOKENS; i++) sums[i] += from[i];
  }
  memcpy(to, sums, sizeof sums);
}

/// All rows of a block with all panels of a matrix.
typedef struct {
  ck_panel panel;
  const float *sums;  // of all runs of a row, tile by tile
  float *products;    // [rows of x × rows of a panel]
} panel_walk;

/// A walk with panels of `rows` in the thread's memory, with the sums of `count` rows of x.
static panel_walk place_walk(const ck_interleaved *m, const ck_arranged *x, ptrdiff_t rows,
                             ptrdiff_t first, ptrdiff_t count) {
  ptrdiff_t tiles = (count + CK_TILE_TOKENS - 1) / CK_TILE_TOKENS, runs = 0;
  panel_walk walk = {.sums = x->sums + first * x->units};
  walk.panel.sums_stride = x->units * CK_TILE_TOKENS;
  ptrdiff_t lines = 8 * rows * CK_PANEL_UNITS, scales = 2 * rows * CK_PANEL_UNITS;
  ptrdiff_t floats = lines + 2 * scales + rows * count;
  float *memory = ck_scratch(SCRATCH_PART, floats + tiles * CK_TILE_TOKENS * x->units);
  walk.panel.lines = (uint8_t *)memory;
  walk.panel.scales = memory + lines;
  walk.panel.offsets = walk.panel.scales + scales;
  walk.products = walk.panel.offsets + scales;
  float *sums = memory + floats;
  move_panel(m, 0, &walk.panel);
  if (walk.panel.units_per_run == 1) return walk;  // a run is a unit
  for (ptrdiff_t unit = 0; unit < x->units; unit += walk.panel.units) {
    move_panel(m, unit, &walk.panel);
    runs += walk.panel.runs;
  }
  ptrdiff_t run = 0;
  for (ptrdiff_t unit = 0; unit < x->units; unit += walk.panel.units) {
    move_panel(m, unit, &walk.panel);
    for (ptrdiff_t i = 0; i < walk.panel.units; i += walk.panel.units_per_run, run++) {
      ptrdiff_t left = walk.panel.units - i, each = walk.panel.units_per_run;
      for (ptrdiff_t tile = 0; tile < tiles; tile++) {
        const float *from = walk.sums + tile * walk.panel.sums_stride;
        sum_run(from + (unit + i) * CK_TILE_TOKENS, left < each ? left : each,
                sums + (tile * runs + run) * CK_TILE_TOKENS);
      }
    }
  }
  walk.sums = sums;
  walk.panel.sums_stride = runs * CK_TILE_TOKENS;
  return walk;
}

/// The rows of a panel, from row `row` of W on, times the rows of a block of x, from row `first` on.
static void multiply_rows(const work *w, const ck_interleaved *m, const split *s, ptrdiff_t row,
                          ptrdiff_t block, ptrdiff_t first, ptrdiff_t count, panel_walk *walk) {
  const ck_interleaved_table *table = w->x->table;
  const ck_again *again = &w->x->codes;
  ptrdiff_t from = again->starts[block], end = again->starts[block + 1], to = from;
  ck_panel *panel = &walk->panel;
  memset(walk->products, 0, (size_t)(table->panel_rows * count) * sizeof(float));
  panel->sums = walk->sums;
  for (ptrdiff_t unit = 0; unit < w->x->out.units; unit += panel->units, from = to) {
    move_panel(m, unit, panel);
    for (ptrdiff_t lane = 0; lane < table->panel_rows; lane += 8) {
      // Where no rows are left the first eight stand in for them; nobody reads their sums.
      ptrdiff_t at = row + lane < s->bands * s->height ? row + lane : row;
      table->unpack_band(m, m->data + at / s->height * s->bytes, at % s->height, lane, panel);
    }
    table->multiply_panel(m, panel, &w->x->out, first, count, walk->products);
    while (to < end && again->list.units[to] < unit + panel->units) to++;
    if (from < to) {
      table->add_panel_remainders(m, panel, &again->list, from, to, first, walk->products);
    }
    panel->sums += panel->runs * CK_TILE_TOKENS;
  }
}

static void multiply_many(const work *w, const ck_interleaved_product *product, const split *s,
                          ptrdiff_t band, ptrdiff_t end, ptrdiff_t block) {
  const ck_interleaved *m = product->matrix;
  ptrdiff_t rows = w->x->table->panel_rows;
  ptrdiff_t most = block_rows(w->x->table);
  ptrdiff_t first = block * most, left = w->x->count - first, count = left < most ? left : most;
  panel_walk walk = place_walk(m, &w->x->out, rows, first, count);
  ptrdiff_t last = end * s->height < m->row_count ? end * s->height : m->row_count;
  for (ptrdiff_t row = band * s->height; row < last; row += rows) {
    multiply_rows(w, m, s, row, block, first, count, &walk);
    ptrdiff_t height = last - row < rows ? last - row : rows;
    for (ptrdiff_t i = 0; i < count; i++) {
      put_sums(product, first + i, row, height, walk.products + rows * i);
    }
  }
}

static void spoil_row(const ck_interleaved_product *product, ptrdiff_t row) {
  float *y = product->y + row * product->stride_y;
  for (ptrdiff_t j = 0; j < product->matrix->row_count; j++) y[j] = NAN;
}

// MARK: - Signs as floats

typedef struct {
  const ck_interleaved_table *table;
  const ck_interleaved_product *product;
  const float *x;
  ptrdiff_t rows, stride_x;
} float_work;

static void multiply_float_part(void *context, ptrdiff_t part) {
  const float_work *w = context;
  const ck_interleaved *m = w->product->matrix;
  ptrdiff_t height = ck_interleaved_band_rows(m), bytes = ck_interleaved_band_bytes(m);
  ptrdiff_t first = part * FLOAT_PART_ROWS, count = m->row_count - first;
  if (count > FLOAT_PART_ROWS) count = FLOAT_PART_ROWS;
  ptrdiff_t stride = ck_units(m->column_count) * CK_UNIT;
  float *rows = ck_scratch(SCRATCH_ROWS, FLOAT_PART_ROWS * stride);
  for (ptrdiff_t row = 0; row < count; row += height) {
    w->table->expand_signs(m, m->data + (first + row) / height * bytes, stride, rows + row * stride);
  }
  float *y = w->product->y + first;
  ck_sgemm(false, true, w->rows, count, m->column_count, w->x, w->stride_x, rows, stride, 0, y,
           w->product->stride_y);
  for (ptrdiff_t i = 0; w->product->bias && i < w->rows; i++, y += w->product->stride_y) {
    for (ptrdiff_t j = 0; j < count; j++) y[j] += w->product->bias[first + j];
  }
}

static bool multiplies_in_floats(const ck_interleaved *matrix, ptrdiff_t m) {
  return matrix->codes == CK_SIGNS && matrix->planes >= 3 && m * matrix->planes >= FLOAT_PLANE_ROWS;
}

static bool is_finite_row(const float *x, ptrdiff_t n) {
  float sum = 0;
  for (ptrdiff_t i = 0; i < n; i++) sum += x[i] * 0.0f;
  return sum == 0;
}

static void multiply_in_floats(const ck_interleaved_table *table,
                               const ck_interleaved_product *product, ptrdiff_t m, const float *x,
                               ptrdiff_t stride_x) {
  const ck_interleaved *matrix = product->matrix;
  float_work w = {.table = table, .product = product, .x = x, .rows = m, .stride_x = stride_x};
  ck_parallel((matrix->row_count + FLOAT_PART_ROWS - 1) / FLOAT_PART_ROWS, multiply_float_part, &w);
  for (ptrdiff_t i = 0; i < m; i++) {
    if (!is_finite_row(x + i * stride_x, matrix->column_count)) spoil_row(product, i);
  }
}

static void multiply_part(void *context, ptrdiff_t part) {
  const work *w = context;
  const split *s = w->splits;
  for (; part >= s->parts; s++) part -= s->parts;
  const ck_interleaved_product *product = &w->products[s - w->splits];
  ptrdiff_t block = s->blocks == 1 ? 0 : part % s->blocks;
  ptrdiff_t band = (s->blocks == 1 ? part : part / s->blocks) * s->bands_per_part;
  ptrdiff_t end = band + s->bands_per_part;
  if (end > s->bands) end = s->bands;
  if (s->by_panel) {
    multiply_many(w, product, s, band, end, block);
  } else {
    multiply_few(w, product, s, band, end, block);
  }
}

static void multiply(work *w) {
  ptrdiff_t parts = 0;
  for (ptrdiff_t i = 0; i < w->count; i++) {
    w->splits[i] = split_of(w->products[i].matrix, w->x);
    parts += w->splits[i].parts;
  }
  ck_parallel(parts, multiply_part, w);
}

static ptrdiff_t multiply_rounded(ptrdiff_t count, const ck_interleaved_product *products,
                                  ptrdiff_t m, const float *x, ptrdiff_t stride_x,
                                  const ck_column_scales *scales, float tolerance) {
  bool is_many = m >= MANY_ROWS, codes = false, tables = false;
  for (ptrdiff_t i = 0; i < count; i++) {
    const ck_interleaved *matrix = products[i].matrix;
    bool looks_up = matrix->codes == CK_SIGNS || (has_tables(matrix) && !is_many);
    tables = tables || looks_up;
    codes = codes || !looks_up;
  }
  ck_rounded_rows r = {.table = kernels(),
                   .x = x,
                   .scales = scales,
                   .stride = stride_x,
                   .count = m,
                   .columns = products[0].matrix->column_count,
                   .tolerance = tolerance};
  ptrdiff_t extra = ck_round_rows(&r, is_many ? CK_TILE_TOKENS : 1, is_many ? block_rows(r.table) : 1,
                                  codes, tables);
  work w = {.x = &r, .products = products, .count = count};
  multiply(&w);
  for (ptrdiff_t i = 0; i < m; i++) {
    for (ptrdiff_t j = 0; !r.is_finite[i] && j < count; j++) spoil_row(&products[j], i);
  }
  return extra;
}

// MARK: - Scaled inputs

/// Products of matrices whose blocks of rows scale x, each block for itself: parts of one job.
typedef struct {
  const ck_interleaved_product *products;
  const float *x;
  ptrdiff_t rows, stride_x, chunks;  // of x
  float tolerance;
  _Atomic ptrdiff_t extra;
} scaled_work;

/// One block of outputs and SCALED_ROWS rows of x.
static void multiply_block(void *context, ptrdiff_t part) {
  scaled_work *w = context;
  const ck_interleaved_product *product = w->products;
  for (; part >= ck_blocks(product->matrix) * w->chunks; product++) {
    part -= ck_blocks(product->matrix) * w->chunks;
  }
  const ck_interleaved *m = product->matrix;
  ptrdiff_t index = part / w->chunks, first = part % w->chunks * SCALED_ROWS;
  ptrdiff_t count = w->rows - first < SCALED_ROWS ? w->rows - first : SCALED_ROWS;
  ck_interleaved block = ck_block(m, index);
  const float *weights = m->column_weights + index * ck_column_weight_count(m->column_count);
  ck_column_scales scales = {.scales = m->column_scales + index * m->column_count,
                             .weights = weights,
                             .unit_weights = weights + ck_units(m->column_count) * CK_UNIT};
  ptrdiff_t height = block.row_count;
  float *sums = ck_scratch(SCRATCH_SUMS, count * height);
  ck_interleaved_product inner = {.matrix = &block, .y = sums, .stride_y = height};
  w->extra += multiply_rounded(1, &inner, count, w->x + first * w->stride_x, w->stride_x,
                               &scales, w->tolerance);
  ptrdiff_t outputs = height - m->has_zero_rows, from = index * m->block_rows;
  for (ptrdiff_t i = 0; i < count; i++, sums += height) {
    float zero = m->has_zero_rows ? sums[outputs] : 0;
    float *y = product->y + (first + i) * product->stride_y + from;
    for (ptrdiff_t j = 0; j < outputs; j++) y[j] = sums[j] - zero;
    for (ptrdiff_t j = 0; product->bias && j < outputs; j++) y[j] += product->bias[from + j];
  }
}

static ptrdiff_t multiply_scaled(ptrdiff_t count, const ck_interleaved_product *products,
                                 ptrdiff_t m, const float *x, ptrdiff_t stride_x, float tolerance) {
  scaled_work w = {.products = products,
                   .x = x,
                   .rows = m,
                   .stride_x = stride_x,
                   .chunks = (m + SCALED_ROWS - 1) / SCALED_ROWS,
                   .tolerance = tolerance};
  ptrdiff_t parts = 0;
  for (ptrdiff_t i = 0; i < count; i++) parts += ck_blocks(products[i].matrix) * w.chunks;
  ck_parallel(parts, multiply_block, &w);
  return w.extra;
}

/// Products that wait for others of their kind.
typedef struct {
  ck_interleaved_product products[JOB_PRODUCTS];
  ptrdiff_t count;
} batch;

static bool is_full(const batch *b, bool is_last) {
  return b->count == JOB_PRODUCTS || (b->count > 0 && is_last);
}

ptrdiff_t ck_interleaved_linear(ptrdiff_t count, const ck_interleaved_product *products,
                                ptrdiff_t m, const float *x, ptrdiff_t stride_x, float tolerance) {
  if (m <= 0) return 0;
  batch rounded, scaled;
  rounded.count = scaled.count = 0;
  ptrdiff_t extra = 0;
  for (ptrdiff_t i = 0; i < count; i++) {
    bool is_last = i + 1 == count;
    if (products[i].matrix->column_scales) {
      scaled.products[scaled.count++] = products[i];
    } else if (multiplies_in_floats(products[i].matrix, m)) {
      multiply_in_floats(kernels(), &products[i], m, x, stride_x);
    } else {
      rounded.products[rounded.count++] = products[i];
    }
    if (is_full(&rounded, is_last)) {
      extra += multiply_rounded(rounded.count, rounded.products, m, x, stride_x, NULL, tolerance);
      rounded.count = 0;
    }
    if (is_full(&scaled, is_last)) {
      extra += multiply_scaled(scaled.count, scaled.products, m, x, stride_x, tolerance);
      scaled.count = 0;
    }
  }
  return extra;
}
