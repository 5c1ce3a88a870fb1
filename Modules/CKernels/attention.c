// Grouped-query causal attention with a running softmax (Dao et al., "FlashAttention"; Milakov and
// Gimelshein, "Online normalizer calculation for softmax").
//
// A part is one key head and a tile of queries: the queries of all heads that share the key head,
// up to about ROWS rows, query by query. It walks over tiles of KEY_TILE keys; for each panel of
// rows it computes scores into a buffer of one panel, turns them into weights in place and adds
// weights · V to the output, all by the register tile of the matrix product. Keys that no row of
// a panel may see are never touched. Few rows (a decoder's single query) take dot products with
// the keys in place instead of packing them.
//
// When key heads and query tiles give too few parts, the keys are cut into pieces of KEY_SPLIT and
// the pieces' results are merged in order. All cuts depend on the shape alone.
//
// Measured on one Zen 5 core, 9 heads on 3 key heads of width 64: 24 µs for one query on 1024 keys,
// 1.8 ms for 512 queries on 512 keys (171 GFLOP/s of the causal half).
#include <math.h>
#include <string.h>

#include "scratch.h"
#include "table.h"

#define ROWS 192
#define FEW_ROWS 8
#define KEY_TILE 128
#define KEY_SPLIT 256
#define ENOUGH_PARTS 8
/// Multiply-adds below which the caller alone is faster than a job: about 10 µs.
#define SERIAL_PRODUCTS 400000

static ptrdiff_t minimum(ptrdiff_t a, ptrdiff_t b) { return a < b ? a : b; }
static ptrdiff_t maximum(ptrdiff_t a, ptrdiff_t b) { return a > b ? a : b; }
static ptrdiff_t divide_up(ptrdiff_t a, ptrdiff_t b) { return (a + b - 1) / b; }

typedef struct {
  const ck_attention_arguments *arguments;
  const ck_table *table;
  ptrdiff_t group;                      // query heads per key head
  ptrdiff_t tile_queries, query_tiles;  // queries per part
  ptrdiff_t split_keys, splits;
  float *partial;  // per part: output rows, maxima, sums; unused when splits is 1
  ptrdiff_t partial_floats;
} attention;

/// One part at work: its rows, its keys and its buffers.
typedef struct {
  const attention *job;
  ptrdiff_t key_head, query, queries, rows;
  ptrdiff_t first_key, end_key;
  ptrdiff_t panel_rows;
  bool packed;  // q and k are packed; else q lies in rows
  float *q, *k, *v, *scores;
  float *out, *maxima, *sums;
} part_state;

static ptrdiff_t aligned(ptrdiff_t floats) { return (floats + 15) / 16 * 16; }

// MARK: - Set-up of a part

static void place_buffers(part_state *s) {
  ptrdiff_t width = s->job->arguments->head_width;
  ptrdiff_t wide = divide_up(width, s->job->table->tile_columns) * s->job->table->tile_columns;
  ptrdiff_t q = aligned(s->rows * width + 16), k = aligned(KEY_TILE * width);
  ptrdiff_t v = aligned(KEY_TILE * wide), scores = s->panel_rows * KEY_TILE;
  ptrdiff_t out = aligned(s->rows * width), row = aligned(s->rows);
  float *base = ck_scratch(SCRATCH_PART, 2 * q + k + v + scores + out + 2 * row);
  s->q = base;
  s->k = base + 2 * q;
  s->v = s->k + k;
  s->scores = s->v + v;
  s->out = s->scores + scores;
  s->maxima = s->out + out;
  s->sums = s->maxima + row;
}

/// Copies the scaled queries of the part; row r is query r / group, head r % group.
static void gather_queries(part_state *s) {
  const ck_attention_arguments *a = s->job->arguments;
  ptrdiff_t width = a->head_width, group = s->job->group;
  float *rows = s->packed ? s->q + aligned(s->rows * width + 16) : s->q;
  for (ptrdiff_t r = 0; r < s->rows; r++) {
    const float *from =
        a->q + (s->query + r / group) * a->stride_q + (s->key_head * group + r % group) * width;
    s->job->table->scale_shift(width, from, a->scale, 0, rows + r * width);
  }
  if (s->packed) s->job->table->pack_rows(rows, width, s->rows, width, s->panel_rows, s->q);
  memset(s->out, 0, (size_t)(s->rows * width) * sizeof(float));
  for (ptrdiff_t r = 0; r < s->rows; r++) s->maxima[r] = -INFINITY, s->sums[r] = 0;
}

static void start(part_state *s, const attention *job, ptrdiff_t part) {
  const ck_attention_arguments *a = job->arguments;
  s->job = job;
  ptrdiff_t split = part % job->splits, rest = part / job->splits;
  s->key_head = rest % a->key_head_count;
  // The last queries see the most keys: their parts come first.
  ptrdiff_t tile = job->query_tiles - 1 - rest / a->key_head_count;
  s->query = tile * job->tile_queries;
  s->queries = minimum(job->tile_queries, a->query_count - s->query);
  s->rows = s->queries * job->group;
  s->packed = s->rows > FEW_ROWS;
  s->panel_rows = divide_up(s->rows, divide_up(s->rows, job->table->tile_rows));
  ptrdiff_t position = a->first_position + s->query;
  ptrdiff_t first = a->window > 0 ? maximum(0, position - a->window + 1) : 0;
  s->first_key = maximum(first, split * job->split_keys);
  s->end_key = minimum(position + s->queries, (split + 1) * job->split_keys);
  place_buffers(s);
  gather_queries(s);
}

// MARK: - One tile of keys

/// Scores of a panel against keys [key, key + count).
static void score_panel(const part_state *s, ptrdiff_t row, ptrdiff_t rows, ptrdiff_t key,
                        ptrdiff_t count) {
  const ck_attention_arguments *a = s->job->arguments;
  ptrdiff_t width = a->head_width, columns = s->job->table->tile_columns;
  if (!s->packed) {
    ck_dots dots = {.rows = count,
                    .vectors = rows,
                    .n = width,
                    .stride_w = width,
                    .x = s->q + row * width,
                    .stride_x = width,
                    .y = s->scores,
                    .stride_y = KEY_TILE};
    dots.w = a->k + s->key_head * a->stride_key_head + key * width;
    s->job->table->dots(&dots);
    return;
  }
  ck_tile tile = {.rows = rows,
                  .k = width,
                  .a = s->q + row * width,
                  .b_stride = columns,
                  .c_stride = KEY_TILE,
                  .mode = TILE_SET};
  for (ptrdiff_t j = 0; j < count; j += columns) {
    tile.columns = minimum(columns, count - j);
    tile.b = s->k + j * width;
    tile.c = s->scores + j;
    s->job->table->tile(&tile);
  }
}

/// Turns scores into weights and rescales the rows' earlier output.
static void weigh_panel(const part_state *s, ptrdiff_t row, ptrdiff_t rows, ptrdiff_t key,
                        ptrdiff_t count) {
  const ck_attention_arguments *a = s->job->arguments;
  for (ptrdiff_t r = row; r < row + rows; r++) {
    ptrdiff_t position = a->first_position + s->query + r / s->job->group;
    ptrdiff_t first = a->window > 0 ? position - a->window + 1 - key : 0;
    ptrdiff_t end = minimum(count, position + 1 - key);
    first = minimum(maximum(first, 0), count);
    float factor = s->job->table->attend_row(s->scores + (r - row) * KEY_TILE, first, end, count,
                                             a->soft_cap, s->maxima + r, s->sums + r);
    float *out = s->out + r * a->head_width;
    if (factor != 1) s->job->table->scale_shift(a->head_width, out, factor, 0, out);
  }
}

/// Adds weights · V to the output rows of a panel.
static void add_values(const part_state *s, ptrdiff_t row, ptrdiff_t rows, ptrdiff_t key,
                       ptrdiff_t keys, ptrdiff_t count) {
  const ck_attention_arguments *a = s->job->arguments;
  ptrdiff_t width = a->head_width, columns = s->job->table->tile_columns;
  bool in_place = width % s->job->table->lanes == 0;
  ck_tile tile = {.rows = rows,
                  .k = count,
                  .a = s->scores,
                  .a_stride = KEY_TILE,
                  .c_stride = width,
                  .mode = TILE_ADD,
                  .direct = 1,
                  .b_stride = in_place ? width : columns};
  for (ptrdiff_t j = 0; j < width; j += columns) {
    tile.columns = minimum(columns, width - j);
    tile.b = in_place ? a->v + s->key_head * a->stride_key_head + key * width + j : s->v + j * keys;
    tile.c = s->out + row * width + j;
    s->job->table->tile(&tile);
  }
}

static void attend_keys(const part_state *s, ptrdiff_t key, ptrdiff_t keys) {
  const ck_attention_arguments *a = s->job->arguments;
  const ck_table *table = s->job->table;
  ptrdiff_t width = a->head_width, offset = s->key_head * a->stride_key_head + key * width;
  if (s->packed) table->pack_transposed_columns(a->k + offset, width, keys, width, s->k);
  if (width % table->lanes != 0) table->pack_columns(a->v + offset, width, width, keys, s->v);
  for (ptrdiff_t row = 0; row < s->rows; row += s->panel_rows) {
    ptrdiff_t rows = minimum(s->panel_rows, s->rows - row);
    ptrdiff_t position = a->first_position + s->query;
    ptrdiff_t first = position + row / s->job->group;
    ptrdiff_t last = position + (row + rows - 1) / s->job->group;
    ptrdiff_t count = minimum(keys, last + 1 - key);
    bool out_of_window = a->window > 0 && key + keys <= first - a->window + 1;
    if (count <= 0 || out_of_window) continue;
    score_panel(s, row, rows, key, count);
    weigh_panel(s, row, rows, key, count);
    add_values(s, row, rows, key, keys, count);
  }
}

// MARK: - Parts and their merging

static void write_output(const attention *job, ptrdiff_t key_head, ptrdiff_t query, ptrdiff_t rows,
                         const float *out, const float *sums) {
  const ck_attention_arguments *a = job->arguments;
  for (ptrdiff_t r = 0; r < rows; r++) {
    float *to = a->out + (query + r / job->group) * a->stride_out +
                (key_head * job->group + r % job->group) * a->head_width;
    float inverse = sums[r] > 0 ? 1 / sums[r] : 0;
    job->table->scale_shift(a->head_width, out + r * a->head_width, inverse, 0, to);
  }
}

static void attend_part(void *context, ptrdiff_t part) {
  const attention *job = context;
  part_state s;
  start(&s, job, part);
  for (ptrdiff_t key = s.first_key; key < s.end_key; key += KEY_TILE) {
    attend_keys(&s, key, minimum(KEY_TILE, s.end_key - key));
  }
  if (job->splits == 1) {
    write_output(job, s.key_head, s.query, s.rows, s.out, s.sums);
    return;
  }
  ptrdiff_t width = job->arguments->head_width, rows = job->tile_queries * job->group;
  float *partial = job->partial + part * job->partial_floats;
  memcpy(partial, s.out, (size_t)(s.rows * width) * sizeof(float));
  memcpy(partial + rows * width, s.maxima, (size_t)s.rows * sizeof(float));
  memcpy(partial + rows * (width + 1), s.sums, (size_t)s.rows * sizeof(float));
}

/// Merges the pieces of one key head and query tile into the first of them.
static void merge(const attention *job, ptrdiff_t first_part) {
  const ck_attention_arguments *a = job->arguments;
  ptrdiff_t width = a->head_width, capacity = job->tile_queries * job->group;
  ptrdiff_t rest = first_part / job->splits;
  ptrdiff_t query = (job->query_tiles - 1 - rest / a->key_head_count) * job->tile_queries;
  ptrdiff_t rows = minimum(job->tile_queries, a->query_count - query) * job->group;
  float *out = job->partial + first_part * job->partial_floats;
  float *maxima = out + capacity * width, *sums = maxima + capacity;
  for (ptrdiff_t split = 1; split < job->splits; split++) {
    float *other = out + split * job->partial_floats;
    const float *other_maxima = other + capacity * width, *other_sums = other_maxima + capacity;
    for (ptrdiff_t r = 0; r < rows; r++) {
      if (other_sums[r] == 0) continue;
      float top = fmaxf(maxima[r], other_maxima[r]);
      float own = expf(maxima[r] - top), added = expf(other_maxima[r] - top);
      float *to = out + r * width, *from = other + r * width;
      job->table->scale_shift(width, to, own, 0, to);
      job->table->scale_shift(width, from, added, 0, from);
      job->table->add(width, to, from, to);
      sums[r] = sums[r] * own + other_sums[r] * added;
      maxima[r] = top;
    }
  }
  write_output(job, rest % a->key_head_count, query, rows, out, sums);
}

void ck_attention(const ck_attention_arguments *a) {
  if (a->query_count <= 0 || a->head_count <= 0 || a->head_width <= 0) return;
  attention job = {
      .arguments = a, .table = ck_current(), .group = a->head_count / a->key_head_count};
  job.tile_queries = minimum(a->query_count, maximum(1, ROWS / job.group));
  job.query_tiles = divide_up(a->query_count, job.tile_queries);
  ptrdiff_t keys = a->first_position + a->query_count, tiles = job.query_tiles * a->key_head_count;
  bool split = tiles < ENOUGH_PARTS && keys > KEY_SPLIT;
  job.split_keys = split ? KEY_SPLIT : keys;
  job.splits = divide_up(keys, job.split_keys);
  if (split) {
    job.partial_floats = aligned(job.tile_queries * job.group * (a->head_width + 2));
    job.partial = ck_scratch(SCRATCH_JOB, tiles * job.splits * job.partial_floats);
  }
  ptrdiff_t parts = tiles * job.splits;
  ptrdiff_t products = a->query_count * a->head_count * a->head_width * keys * 2;
  if (products < SERIAL_PRODUCTS) {
    for (ptrdiff_t part = 0; part < parts; part++) attend_part(&job, part);
  } else {
    ck_parallel(parts, attend_part, &job);
  }
  for (ptrdiff_t part = 0; split && part < parts; part += job.splits) merge(&job, part);
}
