// Convolutions on the active sites of a volume (Graham et al., "3D Semantic Segmentation with
// Submanifold Sparse Convolutional Networks"), as gathered matrix products.
//
// The output is cut into blocks of rows. For a block all offsets of the kernel are applied in turn,
// each to the pairs that end in the block: the block's rows stay in cache from the first offset to
// the last, and so do the input rows, which lie near by when rows are in the order of their
// coordinates. Blocks are the parts that threads take: no two write the same row, and a row's sum
// has one order, so that the thread count never changes a bit.
#include <string.h>

#include "product.h"
#include "scratch.h"
#include "table.h"

#define GROUP_COLUMNS 64    // columns worth a part of their own where blocks are few,
#define FEW_BLOCKS 16       // fewer than these
#define OUTER_PARTS 16      // parts that the gradient of a weight has at least, blocks permitting
#define GROUP_FLOATS 65536  // floats of a weight's gradient that stay in L2
#define OUTER_FLOATS 8192   // floats of gathered rows that stay in L1 while tiles walk down them
#define PACK_FLOATS 16384   // floats worth a part of packing

static ptrdiff_t minimum(ptrdiff_t a, ptrdiff_t b) { return a < b ? a : b; }
static ptrdiff_t maximum(ptrdiff_t a, ptrdiff_t b) { return a > b ? a : b; }
static ptrdiff_t divide_up(ptrdiff_t a, ptrdiff_t b) { return (a + b - 1) / b; }

// MARK: - Forward

typedef struct {
  const ck_sparse_product *product;
  const ck_table *table;
  float *panels;       // [kernel_volume][panel_floats]
  const float *bias;   // padded to whole panels, or NULL
  ptrdiff_t panel_floats, block_count, group_columns;
} gathering;

static void pack_offset(void *context, ptrdiff_t offset) {
  const gathering *g = context;
  const ck_sparse_product *p = g->product;
  ptrdiff_t k = p->input_channels, n = p->output_channels;
  const float *from = p->weight + offset * k * n;
  float *to = g->panels + offset * g->panel_floats;
  if (p->transpose_weight) {
    g->table->pack_transposed_columns(from, k, n, k, to);
  } else {
    g->table->pack_columns(from, n, n, k, k, to);
  }
}

/// The rows of a block before the first offset adds to them.
static void clear_rows(const gathering *g, ptrdiff_t row, ptrdiff_t end, ptrdiff_t column,
                       ptrdiff_t columns) {
  const ck_sparse_product *p = g->product;
  for (; row < end; row++) {
    float *y = p->y + row * p->output_channels + column;
    if (g->bias) {
      memcpy(y, g->bias + column, (size_t)columns * sizeof(float));
    } else {
      memset(y, 0, (size_t)columns * sizeof(float));
    }
  }
}

/// Multiplies the pairs [first, end) of one offset with its panels of columns.
static void multiply_pairs(const gathering *g, ptrdiff_t offset, ptrdiff_t first, ptrdiff_t end,
                           bool adds, ptrdiff_t column, ptrdiff_t end_column) {
  const ck_sparse_product *p = g->product;
  ck_gathered pairs = {.count = end - first,
                       .k = p->input_channels,
                       .x = p->x,
                       .x_stride = p->input_channels,
                       .y_stride = p->output_channels,
                       .inputs = p->map->inputs + first,
                       .outputs = p->map->outputs + first,
                       .adds = adds};
  for (; column < end_column; column += g->table->tile_columns) {
    pairs.columns = minimum(g->table->tile_columns, end_column - column);
    pairs.panel = g->panels + offset * g->panel_floats + column * p->input_channels;
    pairs.bias = g->bias && !adds ? g->bias + column : NULL;
    pairs.y = p->y + column;
    g->table->gather_multiply(&pairs);
  }
}

static void convolve_part(void *context, ptrdiff_t part) {
  const gathering *g = context;
  const ck_sparse_product *p = g->product;
  const ck_sparse_map *map = p->map;
  ptrdiff_t block = part % g->block_count, column = part / g->block_count * g->group_columns;
  ptrdiff_t end_column = minimum(column + g->group_columns, p->output_channels);
  const int32_t *starts = map->block_starts + block * map->kernel_volume;
  const int32_t *ends = starts + map->kernel_volume;
  if (map->identity >= 0) {
    ptrdiff_t k = map->identity;
    multiply_pairs(g, k, starts[k], ends[k], false, column, end_column);
  } else if (!map->is_partition) {
    ptrdiff_t row = block * map->block_rows, end = minimum(row + map->block_rows, map->output_rows);
    clear_rows(g, row, end, column, end_column - column);
  }
  for (ptrdiff_t k = 0; k < map->kernel_volume; k++) {
    if (k == map->identity || starts[k] == ends[k]) continue;
    multiply_pairs(g, k, starts[k], ends[k], !map->is_partition, column, end_column);
  }
}

static const float *padded_bias(const ck_sparse_product *p, const ck_table *table) {
  if (p->bias == NULL) return NULL;
  ptrdiff_t width = divide_up(p->output_channels, table->tile_columns) * table->tile_columns;
  float *bias = ck_scratch(SCRATCH_LEFT, width);
  memset(bias, 0, (size_t)width * sizeof(float));
  memcpy(bias, p->bias, (size_t)p->output_channels * sizeof(float));
  return bias;
}

void ck_sparse_convolve(const ck_sparse_product *product) {
  const ck_sparse_map *map = product->map;
  ptrdiff_t n = product->output_channels, k = product->input_channels;
  if (map->output_rows <= 0 || n <= 0) return;
  gathering g = {.product = product, .table = ck_current()};
  g.panel_floats = divide_up(n, g.table->tile_columns) * g.table->tile_columns * k;
  g.panels = ck_scratch(SCRATCH_RIGHT, maximum(map->kernel_volume * g.panel_floats, 1));
  g.bias = padded_bias(product, g.table);
  if (map->kernel_volume * g.panel_floats > PACK_FLOATS) {
    ck_parallel(map->kernel_volume, pack_offset, &g);
  } else {
    for (ptrdiff_t offset = 0; offset < map->kernel_volume; offset++) pack_offset(&g, offset);
  }
  g.block_count = divide_up(map->output_rows, map->block_rows);
  g.group_columns = g.block_count < FEW_BLOCKS ? GROUP_COLUMNS : n;
  ck_parallel(g.block_count * divide_up(n, g.group_columns), convolve_part, &g);
}

// MARK: - Gradient of the weight

// A part takes a group of offsets, whose sums stay in L2, and a range of blocks, and applies the
// offsets block by block as above. Each range has sums of its own, which are added at the end.

typedef struct {
  const ck_sparse_weight_gradient *arguments;
  const ck_table *table;
  ptrdiff_t block_count, range_count;  // blocks of rows, ranges of blocks
  ptrdiff_t group_count, group_size;   // groups of offsets
  float *partial;  // the sums of all ranges but the first, each of the gradient's shape
} outer_products;

static ptrdiff_t weight_floats(const outer_products *o) {
  return o->arguments->input_channels * o->arguments->output_channels;
}

/// The sums of one offset in a range.
static float *sums_of_range(const outer_products *o, ptrdiff_t range, ptrdiff_t offset) {
  ptrdiff_t floats = weight_floats(o), volume = o->arguments->map->kernel_volume;
  if (range == 0) return o->arguments->gradient + offset * floats;
  return o->partial + ((range - 1) * volume + offset) * floats;
}

/// Adds the outer products of the pairs [first, first + count), few enough that their rows stay in
/// L1 from one tile to the next.
static void add_outer_products(const outer_products *o, ptrdiff_t first, ptrdiff_t count,
                               float *sums) {
  const ck_sparse_weight_gradient *a = o->arguments;
  ptrdiff_t rows = a->input_channels, columns = a->output_channels;
  ptrdiff_t tiles = divide_up(rows, o->table->outer_rows);
  ck_gathered_outer pairs = {.count = count,
                             .x_stride = rows,
                             .y_stride = columns,
                             .w_stride = columns,
                             .inputs = a->map->inputs + first,
                             .outputs = a->map->outputs + first};
  for (ptrdiff_t j = 0; j < columns; j += o->table->tile_columns) {
    pairs.columns = minimum(o->table->tile_columns, columns - j);
    pairs.y = a->y + j;
    for (ptrdiff_t tile = 0; tile < tiles; tile++) {
      ptrdiff_t i = tile * rows / tiles;
      pairs.rows = (tile + 1) * rows / tiles - i;
      pairs.x = a->x + i;
      pairs.w = sums + i * columns + j;
      o->table->gather_outer(&pairs);
    }
  }
}

static void outer_part(void *context, ptrdiff_t part) {
  const outer_products *o = context;
  const ck_sparse_weight_gradient *a = o->arguments;
  const ck_sparse_map *map = a->map;
  ptrdiff_t range = part / o->group_count, first = part % o->group_count * o->group_size;
  ptrdiff_t end = minimum(first + o->group_size, map->kernel_volume);
  ptrdiff_t step = maximum(OUTER_FLOATS / (a->input_channels + a->output_channels), 32);
  memset(sums_of_range(o, range, first), 0,
         (size_t)((end - first) * weight_floats(o)) * sizeof(float));
  ptrdiff_t block = range * o->block_count / o->range_count;
  ptrdiff_t end_block = (range + 1) * o->block_count / o->range_count;
  for (; block < end_block; block++) {
    const int32_t *starts = map->block_starts + block * map->kernel_volume;
    const int32_t *ends = starts + map->kernel_volume;
    for (ptrdiff_t k = first; k < end; k++) {
      for (ptrdiff_t pair = starts[k]; pair < ends[k]; pair += step) {
        add_outer_products(o, pair, minimum(step, ends[k] - pair), sums_of_range(o, range, k));
      }
    }
  }
}

static void combine_offset(void *context, ptrdiff_t offset) {
  const outer_products *o = context;
  float *sums = sums_of_range(o, 0, offset);
  for (ptrdiff_t range = 1; range < o->range_count; range++) {
    o->table->add(weight_floats(o), sums, sums_of_range(o, range, offset), sums);
  }
}

void ck_sparse_convolve_weight(const ck_sparse_weight_gradient *arguments) {
  const ck_sparse_map *map = arguments->map;
  outer_products o = {.arguments = arguments, .table = ck_current()};
  ptrdiff_t volume = map->kernel_volume, floats = weight_floats(&o);
  if (volume <= 0 || floats <= 0) return;
  o.block_count = divide_up(map->output_rows, map->block_rows);
  o.group_size = minimum(maximum(GROUP_FLOATS / floats, 1), volume);
  o.group_count = divide_up(volume, o.group_size);
  o.range_count = minimum(divide_up(OUTER_PARTS, o.group_count), o.block_count);
  if (o.range_count < 1) o.range_count = 1;
  o.partial = ck_scratch(SCRATCH_JOB, maximum((o.range_count - 1) * volume * floats, 1));
  ck_parallel(o.range_count * o.group_count, outer_part, &o);
  if (o.range_count > 1) ck_parallel(volume, combine_offset, &o);
}
