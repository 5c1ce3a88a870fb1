// The gradients of attention (Dao, "FlashAttention-2", algorithm 2), with row sums of weights from
// the forward pass:
//
//     P = exp(S − log Σ)      dV = Pᵀ dO      dP = dO Vᵀ      dS = P ∘ (dP − rowsum(dO ∘ O))
//     dQ = scale · dS K       dK = scale · dSᵀ Q
//
// A part is one key head of one batch, so that nothing but its own rows is written. It walks over
// ranges of keys, whose packed K and V and gradients L2 and L3 hold; for each over blocks of
// BLOCK_ROWS query rows (of all heads that share the key head, query by query); for each over tiles
// of KEY_TILE keys. The weights and their gradients of one block and tile are the largest that is
// ever stored. They are computed row by row and serve as left operands both in place (dS K) and
// read by columns (Pᵀ dO, dSᵀ Q): nothing is transposed.
//
// When key heads give too few parts, the keys are cut into pieces, each with its own sum of dQ, and
// the pieces' sums are added in order. All cuts depend on the shape alone.
//
// Measured as the forward pass: causal 5.3 / 2.9 ms (torch 18 / 9.9) and 64 / 33 ms (214 / 109);
// without a mask 8.5 / 4.4 (18.5 / 9.9) and 119 / 60 (283 / 142).
#include <string.h>

#include "attention.h"

#define BLOCK_ROWS 128
#define RANGE_FLOATS 65536  // keys of a range, per copy
/// A row of weights: not a power of two, so that columns spread over the sets of L1.
#define WEIGHT_STRIDE (KEY_TILE + 16)

typedef struct {
  const ck_attention_gradients *gradients;
  const ck_attention_problem *arguments;
  const ck_table *table;
  ptrdiff_t group, rows;  // query heads per key head, and their queries
  ptrdiff_t block_rows;
  ptrdiff_t split_keys, splits, range_keys;
  ptrdiff_t wide;  // the head width in whole tiles
  float *partial;  // [heads × splits × rows × width]: dQ of each piece; unused when splits is 1
} backward;

/// One part at work.
typedef struct {
  const backward *job;
  ptrdiff_t batch, key_head, split;
  ptrdiff_t first_key, range, row, rows;  // the current range of keys and block of rows
  // Of the range: K and V as right operands of Q Kᵀ and dO Vᵀ, scale · K as that of dS K.
  float *k_columns, *v_columns, *k_rows, *k_gradient, *v_gradient;
  // Of the block: scale · Q and dO as left and as right operands.
  float *q_panels, *q_rows, *g_panels, *g_rows, *q_gradient, *deltas, *log_sums;
  float *weights, *gradients, *gathered, *capped;
} part_state;

static void place_buffers(part_state *s) {
  const backward *job = s->job;
  ptrdiff_t width = job->arguments->head_width, rows = job->block_rows;
  ptrdiff_t tile_columns = job->table->tile_columns;
  ptrdiff_t keys = divide_up(job->range_keys, tile_columns) * tile_columns;
  ptrdiff_t gathered = maximum(rows, KEY_TILE) * width;
  struct {
    float **place;
    ptrdiff_t floats;
  } buffers[] = {{&s->k_columns, keys * width},
                 {&s->v_columns, keys * width},
                 {&s->k_rows, keys * job->wide},
                 {&s->k_gradient, keys * width},
                 {&s->v_gradient, keys * width},
                 {&s->q_panels, rows * width},
                 {&s->q_rows, rows * job->wide},
                 {&s->g_panels, rows * width},
                 {&s->g_rows, rows * job->wide},
                 {&s->q_gradient, rows * width},
                 {&s->deltas, rows},
                 {&s->log_sums, rows},
                 {&s->weights, rows * WEIGHT_STRIDE},
                 {&s->gradients, rows * WEIGHT_STRIDE},
                 {&s->gathered, gathered},
                 {&s->capped, KEY_TILE}};
  int count = sizeof buffers / sizeof buffers[0];
  ptrdiff_t total = 0;
  for (int i = 0; i < count; i++) total += aligned(buffers[i].floats) + 16;
  float *next = ck_scratch(SCRATCH_PART, total);
  for (int i = 0; i < count; i++) {
    *buffers[i].place = next;
    next += aligned(buffers[i].floats) + 16;
  }
}

static ptrdiff_t head_offset(const part_state *s, ck_head_strides strides, ptrdiff_t key) {
  return s->batch * strides.batch + s->key_head * strides.head + key * strides.row;
}

static ptrdiff_t query_offset(const part_state *s, ck_head_strides strides, ptrdiff_t row) {
  ptrdiff_t group = s->job->group;
  return row_offset(strides, s->batch, s->key_head * group, group, row);
}

/// Row of the problem's [batch × head × query] that row `row` of the part is.
static ptrdiff_t log_sum_row(const part_state *s, ptrdiff_t row) {
  const ck_attention_problem *a = s->job->arguments;
  ptrdiff_t head = s->key_head * s->job->group + row % s->job->group;
  return (s->batch * a->head_count + head) * a->query_count + row / s->job->group;
}

// MARK: - Packing

static void start_range(part_state *s) {
  const ck_attention_problem *a = s->job->arguments;
  const ck_table *table = s->job->table;
  ptrdiff_t width = a->head_width, keys = s->range;
  const float *k = a->k + head_offset(s, a->k_strides, s->first_key);
  const float *v = a->v + head_offset(s, a->v_strides, s->first_key);
  table->pack_transposed_columns(k, a->k_strides.row, keys, width, s->k_columns);
  table->pack_transposed_columns(v, a->v_strides.row, keys, width, s->v_columns);
  for (ptrdiff_t key = 0; key < keys; key += KEY_TILE) {
    ptrdiff_t count = minimum(KEY_TILE, keys - key);
    for (ptrdiff_t i = 0; i < count; i++) {
      const float *from = k + (key + i) * a->k_strides.row;
      table->scale_shift(width, from, a->scale, 0, s->gathered + i * width);
    }
    table->pack_columns(s->gathered, width, width, count, count, s->k_rows + key * s->job->wide);
  }
  memset(s->k_gradient, 0, (size_t)(keys * width) * sizeof(float));
  memset(s->v_gradient, 0, (size_t)(keys * width) * sizeof(float));
}

/// Gathers the queries and output gradients of the block, and what its rows need of the forward.
static void start_block(part_state *s) {
  const ck_attention_problem *a = s->job->arguments;
  const ck_attention_gradients *g = s->job->gradients;
  const ck_table *table = s->job->table;
  ptrdiff_t width = a->head_width, rows = s->rows;
  ptrdiff_t panel = even_pieces(rows, table->tile_rows);
  for (ptrdiff_t r = 0; r < rows; r++) {
    const float *from = a->q + query_offset(s, a->q_strides, s->row + r);
    table->scale_shift(width, from, a->scale, 0, s->gathered + r * width);
  }
  table->pack_rows(s->gathered, width, rows, width, panel, s->q_panels);
  table->pack_columns(s->gathered, width, width, rows, rows, s->q_rows);
  for (ptrdiff_t r = 0; r < rows; r++) {
    const float *from = g->out_gradient + query_offset(s, g->out_gradient_strides, s->row + r);
    memcpy(s->gathered + r * width, from, (size_t)width * sizeof(float));
    const float *out = a->out + query_offset(s, a->out_strides, s->row + r);
    s->deltas[r] = table->dot(width, from, out);
    s->log_sums[r] = a->log_sum_exp[log_sum_row(s, s->row + r)];
  }
  table->pack_rows(s->gathered, width, rows, width, panel, s->g_panels);
  table->pack_columns(s->gathered, width, width, rows, rows, s->g_rows);
  memset(s->q_gradient, 0, (size_t)(rows * width) * sizeof(float));
}

// MARK: - One block of rows and tile of keys

/// out[rows × count] = panels · columns, for keys [key, key + count) of the range.
static void multiply_keys(const part_state *s, const float *panel, const float *columns,
                          ptrdiff_t rows, ptrdiff_t key, ptrdiff_t count, float *out) {
  ptrdiff_t width = s->job->arguments->head_width, step = s->job->table->tile_columns;
  ck_tile tile = {.rows = rows,
                  .k = width,
                  .a = panel,
                  .a_stride = rows,
                  .b_stride = step,
                  .c_stride = WEIGHT_STRIDE,
                  .mode = TILE_SET};
  for (ptrdiff_t j = 0; j < count; j += step) {
    tile.columns = minimum(step, count - j);
    tile.b = columns + (key + j) * width;
    tile.c = out + j;
    s->job->table->tile(&tile);
  }
}

/// Turns one row of scores and products into weights and gradients of scores.
static void differentiate_row(const part_state *s, ptrdiff_t r, ptrdiff_t query, ptrdiff_t member,
                              ptrdiff_t key, ptrdiff_t keys) {
  const ck_attention_problem *a = s->job->arguments;
  const ck_table *table = s->job->table;
  key_range seen = visible_keys(a, s->batch, query);
  ptrdiff_t end = maximum(0, minimum(keys, seen.end - s->first_key - key));
  ptrdiff_t first = minimum(maximum(0, seen.first - s->first_key - key), end);
  ptrdiff_t count = end - first;
  float *weights = s->weights + r * WEIGHT_STRIDE, *gradients = s->gradients + r * WEIGHT_STRIDE;
  if (a->soft_cap > 0 || a->allowed || a->bias) {
    prepare_scores(a, table, s->batch, s->key_head * s->job->group + member, query,
                   s->first_key + key + first, count, weights + first, s->capped);
  }
  table->attend_gradient(count, s->log_sums[r], s->deltas[r], weights + first, gradients + first);
  if (a->soft_cap > 0) {
    table->cap_gradient(count, a->soft_cap, s->capped, gradients + first);
  }
  memset(weights, 0, (size_t)first * sizeof(float));
  memset(gradients, 0, (size_t)first * sizeof(float));
  memset(weights + end, 0, (size_t)(keys - end) * sizeof(float));
  memset(gradients + end, 0, (size_t)(keys - end) * sizeof(float));
}

/// q_gradient += dS · scale K for one panel of rows.
static void add_query_gradient(const part_state *s, ptrdiff_t r, ptrdiff_t rows, ptrdiff_t key,
                               ptrdiff_t keys, ptrdiff_t first, ptrdiff_t count) {
  ptrdiff_t width = s->job->arguments->head_width, step = s->job->table->tile_columns;
  ck_tile tile = {.rows = rows,
                  .k = count - first,
                  .a = s->gradients + r * WEIGHT_STRIDE + first,
                  .a_stride = WEIGHT_STRIDE,
                  .direct = 1,
                  .b_stride = step,
                  .c_stride = width,
                  .mode = TILE_ADD};
  for (ptrdiff_t j = 0; j < width; j += step) {
    tile.columns = minimum(step, width - j);
    tile.b = s->k_rows + key * s->job->wide + j * keys + first * step;
    tile.c = s->q_gradient + r * width + j;
    s->job->table->tile(&tile);
  }
}

/// out += leftᵀ · right for the rows [first, end) of the block, which see keys [key, key + count).
static void add_key_gradient(const part_state *s, const float *left, const float *right,
                             ptrdiff_t first, ptrdiff_t end, ptrdiff_t count, float *out) {
  ptrdiff_t width = s->job->arguments->head_width, step = s->job->table->tile_columns;
  ck_tile tile = {.rows = count,
                  .k = end - first,
                  .a = left + first * WEIGHT_STRIDE,
                  .a_stride = WEIGHT_STRIDE,
                  .b_stride = step,
                  .c_stride = width,
                  .mode = TILE_ADD};
  for (ptrdiff_t j = 0; j < width; j += step) {
    tile.columns = minimum(step, width - j);
    tile.b = right + j * s->rows + first * step;
    tile.c = out + j;
    s->job->table->tile(&tile);
  }
}

/// Weights and gradients of the scores of the block and a tile, and the gradient of the queries.
/// Rows outside of [*first, *end) see nothing of the tile and are left undefined.
static void differentiate_rows(const part_state *s, ptrdiff_t key, ptrdiff_t keys,
                               ptrdiff_t *first_row, ptrdiff_t *end_row) {
  const ck_attention_problem *a = s->job->arguments;
  ptrdiff_t width = a->head_width, group = s->job->group, tile_first = s->first_key + key;
  ptrdiff_t panel = even_pieces(s->rows, s->job->table->tile_rows);
  *first_row = *end_row = 0;
  for (ptrdiff_t r = 0; r < s->rows; r += panel) {
    ptrdiff_t rows = minimum(panel, s->rows - r);
    ptrdiff_t query = (s->row + r) / group, member = (s->row + r) % group;
    ptrdiff_t end = visible_keys(a, s->batch, (s->row + r + rows - 1) / group).end - tile_first;
    ptrdiff_t first = maximum(0, visible_keys(a, s->batch, query).first - tile_first);
    ptrdiff_t count = minimum(keys, end);
    if (count <= 0 || first >= count) continue;
    if (*end_row == 0) *first_row = r;
    *end_row = r + rows;
    multiply_keys(s, s->q_panels + r * width, s->k_columns, rows, key, count,
                  s->weights + r * WEIGHT_STRIDE);
    multiply_keys(s, s->g_panels + r * width, s->v_columns, rows, key, count,
                  s->gradients + r * WEIGHT_STRIDE);
    for (ptrdiff_t i = 0; i < rows; i++) {
      differentiate_row(s, r + i, query, member, key, keys);
      if (++member == group) member = 0, query++;
    }
    add_query_gradient(s, r, rows, key, keys, first, count);
  }
}

static void attend_tile(const part_state *s, ptrdiff_t key, ptrdiff_t keys) {
  const ck_attention_problem *a = s->job->arguments;
  ptrdiff_t width = a->head_width, group = s->job->group, first_row, end_row;
  ptrdiff_t offset = a->key_count - a->query_count;
  differentiate_rows(s, key, keys, &first_row, &end_row);
  if (first_row == end_row) return;
  ptrdiff_t panel = even_pieces(keys, s->job->table->tile_rows);
  for (ptrdiff_t j = 0; j < keys; j += panel) {
    ptrdiff_t count = minimum(panel, keys - j), position = s->first_key + key + j - offset;
    // The rows that see a key of the panel: from its own query on, up to the last window.
    ptrdiff_t first = first_row, end = end_row;
    if (a->causal) first = maximum(first, position * group - s->row);
    if (a->window > 0) {
      end = minimum(end, (position + count - 1 + a->window) * group - s->row);
      if (!a->causal) first = maximum(first, (position - a->window + 1) * group - s->row);
    }
    if (first >= end) continue;
    ptrdiff_t at = (key + j) * width;
    add_key_gradient(s, s->weights + j, s->g_rows, first, end, count, s->v_gradient + at);
    add_key_gradient(s, s->gradients + j, s->q_rows, first, end, count, s->k_gradient + at);
  }
}

// MARK: - Parts

/// Writes the block's dQ, or adds it to what earlier ranges of keys wrote.
static void finish_block(const part_state *s, bool adds) {
  const ck_attention_gradients *g = s->job->gradients;
  const ck_table *table = s->job->table;
  ptrdiff_t width = s->job->arguments->head_width;
  ptrdiff_t head = s->batch * s->job->arguments->key_head_count + s->key_head;
  ptrdiff_t piece = (head * s->job->splits + s->split) * s->job->rows;
  for (ptrdiff_t r = 0; r < s->rows; r++) {
    float *to = s->job->splits > 1
                    ? s->job->partial + (piece + s->row + r) * width
                    : g->q_gradient + query_offset(s, g->q_gradient_strides, s->row + r);
    const float *from = s->q_gradient + r * width;
    if (adds) {
      table->add(width, to, from, to);
    } else {
      memcpy(to, from, (size_t)width * sizeof(float));
    }
  }
}

static void finish_range(const part_state *s) {
  const ck_attention_gradients *g = s->job->gradients;
  ptrdiff_t width = s->job->arguments->head_width;
  for (ptrdiff_t i = 0; i < s->range; i++) {
    float *k = g->k_gradient + head_offset(s, g->k_gradient_strides, s->first_key + i);
    float *v = g->v_gradient + head_offset(s, g->v_gradient_strides, s->first_key + i);
    memcpy(k, s->k_gradient + i * width, (size_t)width * sizeof(float));
    memcpy(v, s->v_gradient + i * width, (size_t)width * sizeof(float));
  }
}

static void attend_block(part_state *s, bool adds) {
  const ck_attention_problem *a = s->job->arguments;
  ptrdiff_t group = s->job->group;
  ptrdiff_t first = visible_keys(a, s->batch, s->row / group).first - s->first_key;
  ptrdiff_t end = visible_keys(a, s->batch, (s->row + s->rows - 1) / group).end - s->first_key;
  end = minimum(end, s->range), first = maximum(first, 0) / KEY_TILE * KEY_TILE;
  if (first >= end && adds) return;
  start_block(s);
  for (ptrdiff_t key = first; key < end; key += KEY_TILE) {
    attend_tile(s, key, minimum(KEY_TILE, s->range - key));
  }
  finish_block(s, adds);
}

static void backward_part(void *context, ptrdiff_t part) {
  const backward *job = context;
  const ck_attention_problem *a = job->arguments;
  ptrdiff_t head = part / job->splits;
  part_state s = {.job = job,
                  .batch = head / a->key_head_count,
                  .key_head = head % a->key_head_count,
                  .split = part % job->splits};
  ptrdiff_t first = s.split * job->split_keys, end = minimum(first + job->split_keys, a->key_count);
  place_buffers(&s);
  s.first_key = first;
  do {
    s.range = minimum(job->range_keys, end - s.first_key);
    start_range(&s);
    for (s.row = 0; s.row < job->rows; s.row += job->block_rows) {
      s.rows = minimum(job->block_rows, job->rows - s.row);
      attend_block(&s, s.first_key > first);
    }
    finish_range(&s);
    s.first_key += s.range;
  } while (s.first_key < end);
}

/// Adds the pieces' dQ of one key head in order.
static void merge_part(void *context, ptrdiff_t head) {
  const backward *job = context;
  const ck_attention_problem *a = job->arguments;
  const ck_attention_gradients *g = job->gradients;
  ptrdiff_t width = a->head_width;
  part_state s = {
      .job = job, .batch = head / a->key_head_count, .key_head = head % a->key_head_count};
  for (ptrdiff_t r = 0; r < job->rows; r++) {
    float *to = g->q_gradient + query_offset(&s, g->q_gradient_strides, r);
    const float *from = job->partial + (head * job->splits * job->rows + r) * width;
    memcpy(to, from, (size_t)width * sizeof(float));
    for (ptrdiff_t split = 1; split < job->splits; split++) {
      job->table->add(width, to, from + split * job->rows * width, to);
    }
  }
}

void ck_attention_backward(const ck_attention_gradients *gradients) {
  const ck_attention_problem *a = gradients->problem;
  if (a->head_count <= 0 || a->head_width <= 0 || a->batch_count <= 0) return;
  const ck_table *table = ck_current();
  backward job = {.gradients = gradients, .arguments = a, .table = table};
  job.group = a->head_count / a->key_head_count;
  job.rows = a->query_count * job.group;
  job.block_rows = even_pieces(job.rows, BLOCK_ROWS);
  job.wide = divide_up(a->head_width, table->tile_columns) * table->tile_columns;
  ptrdiff_t heads = a->batch_count * a->key_head_count;
  ptrdiff_t pieces = minimum(divide_up(ENOUGH_PARTS, heads), divide_up(a->key_count, KEY_TILE));
  ptrdiff_t tiles = divide_up(a->key_count, maximum(pieces, 1) * KEY_TILE);
  job.split_keys = maximum(tiles, 1) * KEY_TILE;
  job.splits = maximum(1, divide_up(a->key_count, job.split_keys));
  job.range_keys = maximum(KEY_TILE, RANGE_FLOATS / a->head_width / KEY_TILE * KEY_TILE);
  job.range_keys = minimum(job.range_keys, minimum(job.split_keys, maximum(a->key_count, 1)));
  if (job.splits > 1) {
    job.partial = ck_scratch(SCRATCH_JOB, heads * job.splits * job.rows * a->head_width);
  }
  ptrdiff_t parts = heads * job.splits;
  if (job.rows * heads * a->head_width * a->key_count * 5 < SERIAL_PRODUCTS) {
    for (ptrdiff_t part = 0; part < parts; part++) backward_part(&job, part);
    for (ptrdiff_t head = 0; job.splits > 1 && head < heads; head++) merge_part(&job, head);
  } else {
    ck_parallel(parts, backward_part, &job);
    if (job.splits > 1) ck_parallel(heads, merge_part, &job);
  }
}
