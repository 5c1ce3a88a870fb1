// y = x · Wᵀ + bias for interleaved matrices: chooses the kernels, rounds the rows of x, splits the
// work.
//
// Few rows of x: each band of W is read once for each of them, by the kernels of vector.h. More:
// bands are unpacked and multiplied with blocks of rows, by those of panel.h. Parts are ranges of
// bands, for many rows times blocks of rows, so that the split depends on the shapes alone.
#include <math.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>
#if defined(__aarch64__) && defined(__linux__)
#include <sys/auxv.h>
#endif

#include "interleaved_table.h"
#include "scratch.h"

/// Rows of x from which bands are unpacked.
#define MANY_ROWS 4
/// Rows of x that share an unpacked band: their bytes stay in L2.
#define BLOCK_ROWS 64
/// Rows of x whose tables do.
#define TABLE_ROWS 16
/// Bytes of W per part of a product with few rows: about 2 µs of a core, so that threads end together.
#define PART_BYTES 32768
/// Multiplications per part of a product with many rows, about.
#define PART_PRODUCTS ((ptrdiff_t)4 << 20)
/// Passes that bring the precision of float.
#define PASS_LIMIT 3

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

// MARK: - Rounding

/// The rows of x of one call.
typedef struct {
  const ck_interleaved_table *table;
  const float *x;
  ptrdiff_t stride, columns;
  ck_arranged out;
  ptrdiff_t count;
  int32_t *rows;    // [count]: which rows of x this pass takes
  int32_t *passes;  // [rows of x]: how many it needs; 0: it has NaN or infinity
  int pass;
  bool is_many;  // whether bands are unpacked, in all passes
  float tolerance;
} rounding;

static int passes_for(const ck_rounding_error *e, float tolerance) {
  if (!e->is_finite) return 0;
  double error = e->square > 0 ? sqrt(e->error / e->square) : 0;
  for (int passes = 1; passes < PASS_LIMIT; passes++, error /= 254) {
    if (error <= tolerance) return passes;
  }
  return PASS_LIMIT;
}

static void round_one(rounding *r, ptrdiff_t index) {
  ptrdiff_t row = r->rows[index];
  const float *x = r->x + row * r->stride;
  int most = 1;
  bool is_finite = true;
  if (r->out.codes) {
    ck_rounding_error e = r->table->round_row(r->columns, x, r->pass, &r->out, index);
    most = passes_for(&e, r->tolerance);
    is_finite = most > 0;
  }
  if (r->out.tables) {
    ck_rounding_error e = r->table->build_tables(r->columns, x, r->pass, &r->out, index);
    int passes = passes_for(&e, r->tolerance);
    is_finite = is_finite && passes > 0;
    most = passes > most ? passes : most;
  }
  if (r->pass == 0) r->passes[row] = is_finite ? most : 0;
}

#define ROUNDED_TOGETHER 8

static void round_part(void *context, ptrdiff_t part) {
  rounding *r = context;
  ptrdiff_t end = (part + 1) * ROUNDED_TOGETHER;
  if (end > r->count) end = r->count;
  for (ptrdiff_t i = part * ROUNDED_TOGETHER; i < end; i++) round_one(r, i);
}

static void round_rows(rounding *r) {
  if (r->count <= ROUNDED_TOGETHER) {
    round_part(r, 0);
  } else {
    ck_parallel((r->count + ROUNDED_TOGETHER - 1) / ROUNDED_TOGETHER, round_part, r);
  }
}

/// Cuts the arrays of `m` rows out of the thread's memory.
static void place_rows(rounding *r, ptrdiff_t m, bool has_codes, bool has_tables) {
  ptrdiff_t tile = r->is_many ? CK_TILE_TOKENS : 1;
  ptrdiff_t units = ck_units(r->columns), all = (m + tile - 1) / tile * tile * units;
  ptrdiff_t floats = (has_codes ? 10 * all : 0) + (has_tables ? 34 * all : 0) + 2 * m;
  float *memory = ck_scratch(SCRATCH_JOB, floats);
  memset(&r->out, 0, sizeof r->out);
  r->out.units = units;
  r->out.tile = tile;
  if (has_tables) {
    r->out.tables = (uint8_t *)memory;
    memory += 32 * all;
  }
  if (has_codes) {
    r->out.codes = (int8_t *)memory;
    r->out.steps = memory + 8 * all;
    r->out.sums = memory + 9 * all;
    memory += 10 * all;
  }
  if (has_tables) {
    r->out.table_steps = memory;
    r->out.table_sums = memory + all;
    memory += 2 * all;
  }
  r->rows = (int32_t *)memory;
  r->passes = (int32_t *)memory + m;
}

// MARK: - Products

typedef struct {
  const rounding *x;
  const ck_interleaved_product *products;
  ptrdiff_t count;
} work;

/// How one product is split.
typedef struct {
  bool by_panel;
  ptrdiff_t bands, bands_per_part, blocks, parts;
} split;

static split split_of(const ck_interleaved *m, const rounding *x) {
  split s = {.by_panel = x->is_many && m->codes != CK_SIGNS, .blocks = 1};
  ptrdiff_t rows = x->count;
  ptrdiff_t height = ck_interleaved_band_rows(m), each;
  s.bands = (m->row_count + height - 1) / height;
  if (s.by_panel) {
    s.blocks = (rows + BLOCK_ROWS - 1) / BLOCK_ROWS;
    ptrdiff_t block = rows < BLOCK_ROWS ? rows : BLOCK_ROWS;
    each = PART_PRODUCTS / (height * block * m->column_count + 1);
  } else {
    s.blocks = (rows + TABLE_ROWS - 1) / TABLE_ROWS;
    each = PART_BYTES / (ck_interleaved_band_bytes(m) + 1);
  }
  s.bands_per_part = each < 1 ? 1 : each;
  s.parts = (s.bands + s.bands_per_part - 1) / s.bands_per_part * s.blocks;
  return s;
}

/// Writes or adds sums of `count` rows of W to the row of y that row `index` belongs to.
static void put_sums(const work *w, const ck_interleaved_product *product, ptrdiff_t index,
                     ptrdiff_t first, ptrdiff_t height, const float *sums) {
  ptrdiff_t left = product->matrix->row_count - first, count = left < height ? left : height;
  float *y = product->y + w->x->rows[index] * product->stride_y + first;
  const float *bias = product->bias;
  if (w->x->pass == 0 && bias == NULL && count == 8) {
    memcpy(y, sums, 8 * sizeof(float));  // what bands of most models end with
  } else if (w->x->pass > 0) {
    for (ptrdiff_t i = 0; i < count; i++) y[i] += sums[i];
  } else if (bias) {
    for (ptrdiff_t i = 0; i < count; i++) y[i] = sums[i] + bias[first + i];
  } else {
    for (ptrdiff_t i = 0; i < count; i++) y[i] = sums[i];
  }
}

static void multiply_few(const work *w, const ck_interleaved_product *product, ptrdiff_t band,
                         ptrdiff_t end, ptrdiff_t block) {
  const ck_interleaved *m = product->matrix;
  ptrdiff_t height = ck_interleaved_band_rows(m), bytes = ck_interleaved_band_bytes(m);
  ptrdiff_t first = block * TABLE_ROWS, left = w->x->count - first;
  ptrdiff_t last = first + (left < TABLE_ROWS ? left : TABLE_ROWS);
  float sums[32];
  for (; band < end; band++) {
    for (ptrdiff_t i = first; i < last; i++) {
      w->x->table->multiply_band(m, m->data + band * bytes, &w->x->out, i, sums);
      put_sums(w, product, i, band * height, height, sums);
    }
  }
}

/// A panel for the groups of a matrix, in the thread's memory, with the sums of `count` rows of x.
static ck_panel place_panel(const ck_interleaved *m, const ck_arranged *x, ptrdiff_t first,
                            ptrdiff_t count) {
  ptrdiff_t units = x->units;
  ck_panel panel = {.units = units, .groups = ck_groups(m)};
  panel.units_per_group = m->group_size >= m->column_count ? units : m->group_size / CK_UNIT;
  if (m->scales == CK_SCALES_4K || m->scales == CK_SCALES_6K) {
    panel.groups = units;
    panel.units_per_group = 1;
  }
  ptrdiff_t scales = (m->scales == CK_SCALES_6K ? 16 : 8) * panel.groups;
  ptrdiff_t tiles = (count + CK_TILE_TOKENS - 1) / CK_TILE_TOKENS;
  ptrdiff_t floats = 64 * units + 2 * scales + tiles * CK_TILE_TOKENS * panel.groups;
  float *memory = ck_scratch(SCRATCH_PART, floats);
  panel.lines = (uint8_t *)memory;
  panel.scales = memory + 64 * units;
  panel.offsets = panel.scales + scales;
  float *sums = panel.offsets + scales;
  panel.sums = sums;
  for (ptrdiff_t i = 0; i < count; i++) {
    ptrdiff_t tile = i / CK_TILE_TOKENS, lane = i % CK_TILE_TOKENS;
    const float *from = x->sums + (first + tile * CK_TILE_TOKENS) * units + lane;
    for (ptrdiff_t group = 0; group < panel.groups; group++) {
      ptrdiff_t unit = group * panel.units_per_group, end = unit + panel.units_per_group;
      float sum = 0;
      for (; unit < end && unit < units; unit++) sum += from[unit * CK_TILE_TOKENS];
      sums[(tile * panel.groups + group) * CK_TILE_TOKENS + lane] = sum;
    }
  }
  return panel;
}

static void multiply_many(const work *w, const ck_interleaved_product *product, ptrdiff_t band,
                          ptrdiff_t end, ptrdiff_t block) {
  const ck_interleaved *m = product->matrix;
  ptrdiff_t height = ck_interleaved_band_rows(m), bytes = ck_interleaved_band_bytes(m);
  ptrdiff_t first = block * BLOCK_ROWS, left = w->x->count - first;
  ptrdiff_t count = left < BLOCK_ROWS ? left : BLOCK_ROWS;
  ck_panel panel = place_panel(m, &w->x->out, first, count);
  float sums[8 * BLOCK_ROWS];
  for (; band < end; band++) {
    for (ptrdiff_t row = 0; row < height && band * height + row < m->row_count; row += 8) {
      w->x->table->unpack_band(m, m->data + band * bytes, row, &panel);
      w->x->table->multiply_panel(m, &panel, &w->x->out, first, count, sums);
      for (ptrdiff_t i = 0; i < count; i++) {
        put_sums(w, product, first + i, band * height + row, 8, sums + 8 * i);
      }
    }
  }
}

static void multiply_part(void *context, ptrdiff_t part) {
  const work *w = context;
  for (ptrdiff_t i = 0; i < w->count; i++) {
    const ck_interleaved_product *product = &w->products[i];
    split s = split_of(product->matrix, w->x);
    if (part >= s.parts) {
      part -= s.parts;
      continue;
    }
    ptrdiff_t band = part / s.blocks * s.bands_per_part, end = band + s.bands_per_part;
    if (end > s.bands) end = s.bands;
    if (s.by_panel) {
      multiply_many(w, product, band, end, part % s.blocks);
    } else {
      multiply_few(w, product, band, end, part % s.blocks);
    }
    return;
  }
}

static void multiply(const work *w) {
  ptrdiff_t parts = 0;
  for (ptrdiff_t i = 0; i < w->count; i++) {
    parts += split_of(w->products[i].matrix, w->x).parts;
  }
  ck_parallel(parts, multiply_part, (void *)w);
}

/// Keeps the rows that need another pass.
static void keep_rows(rounding *r) {
  ptrdiff_t kept = 0;
  for (ptrdiff_t i = 0; i < r->count; i++) {
    if (r->passes[r->rows[i]] > r->pass) r->rows[kept++] = r->rows[i];
  }
  r->count = kept;
}

static void spoil_row(const work *w, ptrdiff_t row) {
  for (ptrdiff_t i = 0; i < w->count; i++) {
    float *y = w->products[i].y + row * w->products[i].stride_y;
    for (ptrdiff_t j = 0; j < w->products[i].matrix->row_count; j++) y[j] = NAN;
  }
}

int ck_interleaved_linear(ptrdiff_t count, const ck_interleaved_product *products, ptrdiff_t m,
                          const float *x, ptrdiff_t stride_x, float tolerance) {
  if (count <= 0 || m <= 0) return 0;
  bool has_codes = false, has_tables = false;
  for (ptrdiff_t i = 0; i < count; i++) {
    ck_code_kind codes = products[i].matrix->codes;
    bool looks_up = codes == CK_SIGNS || (codes == CK_CODES_2 && m < MANY_ROWS);
    has_tables = has_tables || looks_up;
    has_codes = has_codes || !looks_up;
  }
  rounding r = {.table = kernels(),
                .x = x,
                .stride = stride_x,
                .columns = products[0].matrix->column_count,
                .count = m,
                .is_many = m >= MANY_ROWS,
                .tolerance = tolerance};
  place_rows(&r, m, has_codes, has_tables);
  for (ptrdiff_t i = 0; i < m; i++) r.rows[i] = (int32_t)i;
  work w = {.x = &r, .products = products, .count = count};
  int most = 1;
  while (r.count > 0) {
    round_rows(&r);
    multiply(&w);
    most = ++r.pass;
    keep_rows(&r);
  }
  for (ptrdiff_t i = 0; i < m; i++) {
    if (r.passes[i] == 0) spoil_row(&w, i);
  }
  return most;
}
