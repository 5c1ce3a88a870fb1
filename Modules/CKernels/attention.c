// Grouped-query attention with a running softmax (Dao et al., "FlashAttention"; Milakov and
// Gimelshein, "Online normalizer calculation for softmax").
//
// A part is one key head of one batch and a tile of queries: the queries of all heads that share
// the key head, query by query, as many as L2 holds. It walks over tiles of KEY_TILE keys; for each
// panel of rows it computes scores into a buffer of one panel, turns them into weights in place and
// adds weights · V to the output, all by the register tile of the matrix product. Keys that no row
// of a panel may see are never touched. Few rows (a decoder's single query) take dot products with
// the keys in place instead of packing them.
//
// Keys and values may be 8-bit codes. Few rows multiply them as they are (simd/attend_codes.h); for
// many rows, or where the width or extreme numbers forbid it, a tile becomes floats first.
//
// When key heads and query tiles give too few parts, the keys are cut into pieces of KEY_SPLIT and
// the pieces' results are merged in order. All cuts depend on the shape alone.
//
// Measured on Zen 5, one and two threads, 8 sequences of 5 heads of width 64, causal: 256 positions
// 2.4 / 1.2 ms (torch 7.7 / 4.1), 1024 positions 29.7 / 15.1 ms (84 / 42); without a mask 3.9 / 1.9
// (7.7 / 4.2) and 54.6 / 27.5 (111 / 56). One query of 9 heads on 1024 keys of 3: 24 µs; on 6000 that
// no cache holds 640 µs of one core, as codes 160.
#include "attention.h"

#include <math.h>
#include <string.h>

#define ROW_FLOATS 65536  // queries of a part: a quarter of L2, and the output another
#define SMALL_ROWS 192    // rows of a part when there are few parts
#define FEW_ROWS 8
#define LARGEST_SQUARE 1e30f  // of queries that multiply codes
#define KEY_SPLIT 256

typedef struct {
  const ck_attention_problem *arguments;
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
  ptrdiff_t batch, key_head, query, queries, rows;
  key_range keys;
  ptrdiff_t panel_rows;
  bool packed;  // q and k are packed; else q lies in rows
  bool multiplies_codes;  // of keys and values, where their grids are plain
  float *q, *k, *v, *scores;
  float *expanded;  // a tile that was codes and is packed next
  float *out, *maxima, *sums;
} part_state;

// MARK: - Set-up of a part

static void place_buffers(part_state *s) {
  ptrdiff_t width = s->job->arguments->head_width;
  ptrdiff_t wide = divide_up(width, s->job->table->tile_columns) * s->job->table->tile_columns;
  // A panel of packed rows may spill a vector past its end.
  ptrdiff_t q = aligned((s->rows + s->panel_rows) * width + 16), k = aligned(KEY_TILE * width);
  ptrdiff_t v = aligned(KEY_TILE * wide), scores = s->panel_rows * KEY_TILE;
  ptrdiff_t out = aligned(s->rows * width), row = aligned(s->rows);
  bool coded = s->job->arguments->k_codes.codes || s->job->arguments->v_codes.codes;
  float *base = ck_scratch(SCRATCH_PART, q + k + v + scores + out + 2 * row + (coded ? k : 0));
  s->q = base;
  s->k = base + q;
  s->v = s->k + k;
  s->scores = s->v + v;
  s->out = s->scores + scores;
  s->maxima = s->out + out;
  s->sums = s->maxima + row;
  s->expanded = s->sums + row;
}

/// Copies the scaled queries of the part; row r is query r / group, head r % group.
static void gather_queries(part_state *s) {
  const ck_attention_problem *a = s->job->arguments;
  const ck_table *table = s->job->table;
  ptrdiff_t width = a->head_width, group = s->job->group, first = s->query * group;
  float *panel = s->q + aligned(s->rows * width + 16);
  for (ptrdiff_t row = 0; row < s->rows; row += s->panel_rows) {
    ptrdiff_t rows = minimum(s->panel_rows, s->rows - row);
    float *to = s->packed ? panel : s->q + row * width;
    for (ptrdiff_t r = 0; r < rows; r++) {
      ptrdiff_t at =
          row_offset(a->q_strides, s->batch, s->key_head * group, group, first + row + r);
      table->scale_shift(width, a->q + at, a->scale, 0, to + r * width);
    }
    if (s->packed) table->pack_rows(panel, width, rows, width, rows, s->q + row * width);
  }
  memset(s->out, 0, (size_t)(s->rows * width) * sizeof(float));
  for (ptrdiff_t r = 0; r < s->rows; r++) s->maxima[r] = -INFINITY, s->sums[r] = 0;
}

static void start(part_state *s, const attention *job, ptrdiff_t part) {
  const ck_attention_problem *a = job->arguments;
  s->job = job;
  ptrdiff_t split = part % job->splits, rest = part / job->splits;
  ptrdiff_t heads = a->batch_count * a->key_head_count;
  s->batch = rest % heads / a->key_head_count;
  s->key_head = rest % a->key_head_count;
  // The last queries see the most keys: their parts come first.
  ptrdiff_t tile = job->query_tiles - 1 - rest / heads;
  s->query = tile * job->tile_queries;
  s->queries = minimum(job->tile_queries, a->query_count - s->query);
  s->rows = s->queries * job->group;
  s->packed = s->rows > FEW_ROWS;
  s->panel_rows = even_pieces(s->rows, job->table->tile_rows);
  s->keys.first = maximum(visible_keys(a, s->batch, s->query).first, split * job->split_keys);
  s->keys.end = minimum(visible_keys(a, s->batch, s->query + s->queries - 1).end,
                        (split + 1) * job->split_keys);
  place_buffers(s);
  gather_queries(s);
  // Sums of codes · q are larger than those of keys · q: no extreme queries. NaN compares false.
  s->multiplies_codes = !s->packed && a->head_width % job->table->lanes == 0 &&
                        job->table->dot(s->rows * a->head_width, s->q, s->q) <= LARGEST_SQUARE;
}

// MARK: - One tile of keys

/// A tile of keys or of values of one head: floats or codes.
typedef struct {
  const float *floats;
  ptrdiff_t stride;
  const uint8_t *codes;  // or NULL
  const float *grids;
} head_rows;

/// Rows [row, row + count) of the part's key head; codes that cannot be multiplied as they are become
/// floats in `memory`.
static head_rows tile_rows(const part_state *s, const float *floats, ck_coded_rows coded,
                           ck_head_strides strides, ptrdiff_t row, ptrdiff_t count,
                           float *memory) {
  const ck_table *table = s->job->table;
  ptrdiff_t width = s->job->arguments->head_width;
  ptrdiff_t at = s->batch * strides.batch + s->key_head * strides.head + row * strides.row;
  head_rows rows = {.stride = strides.row};
  if (coded.codes == NULL) {
    rows.floats = floats + at;
    return rows;
  }
  rows.codes = coded.codes + at;
  rows.grids = coded.grids + at / width * 2;
  if (s->multiplies_codes && table->has_plain_grids(count, rows.grids)) return rows;
  table->expand_coded(count, width, rows.codes, rows.grids, memory);
  rows.codes = NULL;
  rows.floats = memory;
  return rows;
}

/// Scores of a panel against the first `count` of a tile of keys.
static void score_panel(const part_state *s, ptrdiff_t row, ptrdiff_t rows, const head_rows *keys,
                        ptrdiff_t count) {
  ptrdiff_t width = s->job->arguments->head_width, columns = s->job->table->tile_columns;
  if (keys->codes) {
    ck_coded coded = {.rows = count,
                      .width = width,
                      .vectors = rows,
                      .codes = keys->codes,
                      .grids = keys->grids,
                      .x = s->q + row * width,
                      .stride_x = width,
                      .y = s->scores,
                      .stride_y = KEY_TILE};
    s->job->table->coded_dots(&coded);
    return;
  }
  if (!s->packed) {
    ck_dots dots = {.rows = count,
                    .vectors = rows,
                    .n = width,
                    .w = keys->floats,
                    .stride_w = keys->stride,
                    .x = s->q + row * width,
                    .stride_x = width,
                    .y = s->scores,
                    .stride_y = KEY_TILE};
    s->job->table->dots(&dots);
    return;
  }
  ck_tile tile = {.rows = rows,
                  .k = width,
                  .a = s->q + row * width,
                  .a_stride = rows,
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
  const ck_attention_problem *a = s->job->arguments;
  const ck_table *table = s->job->table;
  bool prepares = a->soft_cap > 0 || a->allowed || a->bias;
  ptrdiff_t query = s->query + row / s->job->group, member = row % s->job->group;
  for (ptrdiff_t r = row; r < row + rows; r++) {
    key_range seen = visible_keys(a, s->batch, query);
    ptrdiff_t end = maximum(0, minimum(count, seen.end - key));
    ptrdiff_t first = minimum(maximum(0, seen.first - key), end);
    float *scores = s->scores + (r - row) * KEY_TILE;
    if (prepares) {
      prepare_scores(a, table, s->batch, s->key_head * s->job->group + member, query, key + first,
                     end - first, scores + first, NULL);
    }
    float factor = table->attend_row(scores, first, end, count, s->maxima + r, s->sums + r);
    float *out = s->out + r * a->head_width;
    if (factor != 1) table->scale_shift(a->head_width, out, factor, 0, out);
    if (++member == s->job->group) member = 0, query++;
  }
}

/// Adds weights · V to the output rows of a panel: V of the first `count` of `keys` keys, in place
/// unless it is packed.
static void add_values(const part_state *s, ptrdiff_t row, ptrdiff_t rows, ptrdiff_t keys,
                       const head_rows *values, ptrdiff_t count, bool in_place) {
  ptrdiff_t width = s->job->arguments->head_width, columns = s->job->table->tile_columns;
  if (values->codes) {
    ck_coded coded = {.rows = count,
                      .width = width,
                      .vectors = rows,
                      .codes = values->codes,
                      .grids = values->grids,
                      .x = s->scores,
                      .stride_x = KEY_TILE,
                      .y = s->out + row * width,
                      .stride_y = width};
    s->job->table->add_coded(&coded);
    return;
  }
  ck_tile tile = {.rows = rows,
                  .k = count,
                  .a = s->scores,
                  .a_stride = KEY_TILE,
                  .c_stride = width,
                  .mode = TILE_ADD,
                  .direct = 1,
                  .b_stride = in_place ? values->stride : columns};
  for (ptrdiff_t j = 0; j < width; j += columns) {
    tile.columns = minimum(columns, width - j);
    tile.b = in_place ? values->floats + j : s->v + j * keys;
    tile.c = s->out + row * width + j;
    s->job->table->tile(&tile);
  }
}

static void attend_keys(const part_state *s, ptrdiff_t key, ptrdiff_t keys) {
  const ck_attention_problem *a = s->job->arguments;
  const ck_table *table = s->job->table;
  ptrdiff_t width = a->head_width;
  // Rows far apart fall into few sets of L1: worth reading in place only once, or when compact.
  bool in_place = width % table->lanes == 0 && (!s->packed || a->v_strides.row == width);
  head_rows k = tile_rows(s, a->k, a->k_codes, a->k_strides, key, keys,
                          s->packed ? s->expanded : s->k);
  if (s->packed) table->pack_transposed_columns(k.floats, k.stride, keys, width, s->k);
  head_rows v = tile_rows(s, a->v, a->v_codes, a->v_strides, key, keys,
                          in_place ? s->v : s->expanded);
  if (!in_place) table->pack_columns(v.floats, v.stride, width, keys, keys, s->v);
  for (ptrdiff_t row = 0; row < s->rows; row += s->panel_rows) {
    ptrdiff_t rows = minimum(s->panel_rows, s->rows - row);
    ptrdiff_t first = s->query + row / s->job->group;
    ptrdiff_t last = s->query + (row + rows - 1) / s->job->group;
    ptrdiff_t count = minimum(keys, visible_keys(a, s->batch, last).end - key);
    if (count <= 0 || key + keys <= visible_keys(a, s->batch, first).first) continue;
    score_panel(s, row, rows, &k, count);
    weigh_panel(s, row, rows, key, count);
    add_values(s, row, rows, keys, &v, count, in_place);
  }
}

// MARK: - Parts and their merging

/// Divides the output rows by their sums. A row that saw no key is zero.
static void write_output(const attention *job, const part_state *s, const float *out,
                         const float *maxima, const float *sums) {
  const ck_attention_problem *a = job->arguments;
  ptrdiff_t group = job->group, first = s->query * group, head = s->key_head * group;
  for (ptrdiff_t r = 0; r < s->rows; r++) {
    float *to = a->out + row_offset(a->out_strides, s->batch, head, group, first + r);
    float inverse = sums[r] == 0 ? 0 : 1 / sums[r];
    job->table->scale_shift(a->head_width, out + r * a->head_width, inverse, 0, to);
    if (a->log_sum_exp) {
      ptrdiff_t row = (s->batch * a->head_count + head + r % group) * a->query_count;
      a->log_sum_exp[row + s->query + r / group] =
          sums[r] == 0 ? -INFINITY : maxima[r] + logf(sums[r]);
    }
  }
}

static void attend_part(void *context, ptrdiff_t part) {
  const attention *job = context;
  part_state s;
  start(&s, job, part);
  for (ptrdiff_t key = s.keys.first; key < s.keys.end; key += KEY_TILE) {
    attend_keys(&s, key, minimum(KEY_TILE, s.keys.end - key));
  }
  if (job->splits == 1) {
    write_output(job, &s, s.out, s.maxima, s.sums);
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
  const ck_attention_problem *a = job->arguments;
  ptrdiff_t width = a->head_width, capacity = job->tile_queries * job->group;
  ptrdiff_t rest = first_part / job->splits, heads = a->batch_count * a->key_head_count;
  part_state s = {.batch = rest % heads / a->key_head_count,
                  .key_head = rest % a->key_head_count,
                  .query = (job->query_tiles - 1 - rest / heads) * job->tile_queries};
  s.rows = minimum(job->tile_queries, a->query_count - s.query) * job->group;
  float *out = job->partial + first_part * job->partial_floats;
  float *maxima = out + capacity * width, *sums = maxima + capacity;
  for (ptrdiff_t split = 1; split < job->splits; split++) {
    float *other = out + split * job->partial_floats;
    const float *other_maxima = other + capacity * width, *other_sums = other_maxima + capacity;
    for (ptrdiff_t r = 0; r < s.rows; r++) {
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
  write_output(job, &s, out, maxima, sums);
}

/// Queries per part: as many as L2 holds, if that leaves enough parts.
static void cut_queries(attention *job) {
  const ck_attention_problem *a = job->arguments;
  ptrdiff_t heads = a->batch_count * a->key_head_count;
  ptrdiff_t wanted = maximum(1, ROW_FLOATS / (a->head_width * job->group));
  if (divide_up(a->query_count, wanted) * heads < ENOUGH_PARTS) {
    wanted = minimum(wanted, maximum(1, SMALL_ROWS / job->group));
  }
  job->tile_queries = even_pieces(a->query_count, wanted);
  job->query_tiles = divide_up(a->query_count, job->tile_queries);
}

void ck_attention_forward(const ck_attention_problem *a) {
  if (a->query_count <= 0 || a->head_count <= 0 || a->head_width <= 0) return;
  attention job = {
      .arguments = a, .table = ck_current(), .group = a->head_count / a->key_head_count};
  cut_queries(&job);
  ptrdiff_t tiles = job.query_tiles * a->batch_count * a->key_head_count;
  bool split = tiles < ENOUGH_PARTS && a->key_count > KEY_SPLIT;
  job.split_keys = split ? KEY_SPLIT : maximum(a->key_count, 1);
  job.splits = divide_up(maximum(a->key_count, 1), job.split_keys);
  if (split) {
    job.partial_floats = aligned(job.tile_queries * job.group * (a->head_width + 2));
    job.partial = ck_scratch(SCRATCH_JOB, tiles * job.splits * job.partial_floats);
  }
  ptrdiff_t parts = tiles * job.splits;
  ptrdiff_t rows = a->batch_count * a->query_count * a->head_count;
  if (rows * a->head_width * a->key_count * 2 < SERIAL_PRODUCTS) {
    for (ptrdiff_t part = 0; part < parts; part++) attend_part(&job, part);
  } else {
    ck_parallel(parts, attend_part, &job);
  }
  for (ptrdiff_t part = 0; split && part < parts; part += job.splits) merge(&job, part);
}

void ck_attention(const ck_attention_arguments *a) {
  ck_attention_problem problem = {.batch_count = 1,
                                  .head_count = a->head_count,
                                  .key_head_count = a->key_head_count,
                                  .query_count = a->query_count,
                                  .key_count = a->first_position + a->query_count,
                                  .head_width = a->head_width,
                                  .scale = a->scale,
                                  .soft_cap = a->soft_cap,
                                  .causal = true,
                                  .window = a->window,
                                  .q = a->q,
                                  .q_strides = {0, a->head_width, a->stride_q},
                                  .k = a->k,
                                  .k_codes = a->k_codes,
                                  .k_strides = {0, a->stride_key_head, a->head_width},
                                  .v = a->v,
                                  .v_codes = a->v_codes,
                                  .v_strides = {0, a->stride_key_head, a->head_width},
                                  .out = a->out,
                                  .out_strides = {0, a->head_width, a->stride_out}};
  ck_attention_forward(&problem);
}
