// A decoder's block for a few rows, see include/decoder_block.h.
#include <math.h>
#include <string.h>

#include "scratch.h"
#include "table.h"

/// The buffers of one call.
typedef struct {
  float *normal;             // [count × D]: what norms and layers write
  float *queries, *mixed;    // [count × H·d]
  float *keys, *values;      // [count × KV·d]
  float *gate, *up;          // [count × F]
} buffers;

static ptrdiff_t rounded(ptrdiff_t count) { return (count + 15) / 16 * 16; }

static buffers place_buffers(const ck_decoder_block *b, ptrdiff_t count) {
  ptrdiff_t width = rounded(count * b->width), inner = rounded(count * b->inner_width);
  ptrdiff_t queries = rounded(count * b->head_count * b->head_width);
  ptrdiff_t keys = rounded(count * b->key_head_count * b->head_width);
  float *memory = ck_scratch(SCRATCH_BLOCK, width + 2 * (queries + keys + inner));
  buffers to = {.normal = memory, .queries = memory + width};
  to.mixed = to.queries + queries;
  to.keys = to.mixed + queries;
  to.values = to.keys + keys;
  to.gate = to.values + keys;
  to.up = to.gate + inner;
  return to;
}

// MARK: - Steps

/// out = norm(x), x itself where there is none; with a residual x = x + residual first.
static const float *normalize(const ck_norm_weights *w, ptrdiff_t rows, ptrdiff_t n, float *x,
                              const float *residual, float *out) {
  if (w->weight == NULL) {
    if (residual) ck_add(rows * n, x, residual, x);
    return x;
  }
  ck_norm norm = {.rows = rows,
                  .n = n,
                  .x = x,
                  .residual = residual,
                  .sum = residual ? x : NULL,
                  .weight = w->weight,
                  .bias = w->bias,
                  .weight_offset = w->weight_offset,
                  .epsilon = w->epsilon,
                  .centres = w->centres,
                  .out = out};
  ck_norm_rows(&norm);
  return out;
}

static void multiply(const ck_decoder_block *b, ptrdiff_t count, const float *x,
                     const ck_interleaved_layer *const *layers, float *const *results,
                     ptrdiff_t rows) {
  ck_interleaved_product products[3];
  for (ptrdiff_t i = 0; i < count; i++) {
    ck_interleaved_product product = {.matrix = layers[i]->matrix,
                                      .bias = layers[i]->bias,
                                      .y = results[i],
                                      .stride_y = layers[i]->matrix->row_count};
    products[i] = product;
  }
  ck_interleaved_linear(count, products, rows, x, layers[0]->matrix->column_count, b->tolerance);
}

/// Norms the heads of queries or keys and turns them.
static void place_heads(const ck_decoder_block *b, const ck_norm_weights *norm, ptrdiff_t heads,
                        ptrdiff_t count, const float *cosines, const float *sines, float *x) {
  ptrdiff_t width = b->head_width;
  normalize(norm, count * heads, width, x, NULL, x);
  if (cosines == NULL) return;
  ck_head_strides strides = {.batch = 0, .head = width, .row = heads * width};
  ck_rotary turn = {.batch_count = 1,
                    .head_count = heads,
                    .row_count = count,
                    .head_width = width,
                    .rotated_width = width,
                    .cosines = cosines,
                    .sines = sines,
                    .x = x,
                    .x_strides = strides,
                    .out = x,
                    .out_strides = strides};
  ck_rotate(&turn);
}

// MARK: - Keys and values

/// The step and the zero point of a row's range, zero included, and its codes.
static void store_codes(ptrdiff_t width, const float *x, uint8_t *codes, float *grid) {
  float smallest, largest;
  ck_min_max(width, x, &smallest, &largest);
  if (!(smallest < 0)) smallest = 0;
  if (!(largest > 0)) largest = 0;
  float step = (largest - smallest) / 255;
  if (!(step > 1e-8f)) step = 1e-8f;
  float zero = rintf(-smallest / step);
  grid[0] = step;
  grid[1] = zero < 0 ? 0 : zero > 255 ? 255 : zero;
  ck_quantize(width, x, grid[0], grid[1], 8, codes);
}

/// Puts a row of keys or values behind those of its sequence.
static void store(const ck_decoder_block *b, const ck_decoder_row *row, const float *from,
                  const ck_cached_rows *to) {
  ptrdiff_t width = b->head_width;
  for (ptrdiff_t head = 0; head < b->key_head_count; head++, from += width) {
    ptrdiff_t at = head * row->capacity + row->position;
    if (to->codes) {
      store_codes(width, from, to->codes + at * width, to->grids + 2 * at);
    } else {
      memcpy(to->floats + at * width, from, (size_t)width * sizeof(float));
    }
  }
}

// MARK: - Attention

/// The attention of all rows, once their keys and values are stored.
typedef struct {
  const ck_decoder_block *block;
  const ck_decoder_row *rows;
  const buffers *at;
} attention;

static ck_coded_rows coded_rows(const ck_cached_rows *rows) {
  ck_coded_rows coded = {.codes = rows->codes, .grids = rows->grids};
  return coded;
}

static void attend_row(void *context, ptrdiff_t index) {
  const attention *job = context;
  const ck_decoder_block *b = job->block;
  const ck_decoder_row *row = &job->rows[index];
  ptrdiff_t queries = b->head_count * b->head_width;
  ck_attention_arguments a = {.query_count = 1,
                              .first_position = row->position,
                              .head_count = b->head_count,
                              .key_head_count = b->key_head_count,
                              .head_width = b->head_width,
                              .window = b->window,
                              .scale = b->scale,
                              .soft_cap = b->soft_cap,
                              .q = job->at->queries + index * queries,
                              .stride_q = queries,
                              .k = row->keys.floats,
                              .v = row->values.floats,
                              .k_codes = coded_rows(&row->keys),
                              .v_codes = coded_rows(&row->values),
                              .stride_key_head = row->capacity * b->head_width,
                              .out = job->at->mixed + index * queries,
                              .stride_out = queries};
  ck_attention(&a);
}

static void attend(const ck_decoder_block *b, ptrdiff_t count, const ck_decoder_row *rows,
                   const buffers *at) {
  ptrdiff_t keys = b->key_head_count * b->head_width;
  for (ptrdiff_t i = 0; i < count; i++) {
    store(b, &rows[i], at->keys + i * keys, &rows[i].keys);
    store(b, &rows[i], at->values + i * keys, &rows[i].values);
  }
  attention job = {.block = b, .rows = rows, .at = at};
  if (count == 1) {
    attend_row(&job, 0);  // which shares the work itself
  } else {
    ck_parallel(count, attend_row, &job);
  }
}

void ck_decode_block(const ck_decoder_block *b, ptrdiff_t count, const ck_decoder_row *rows,
                     const float *cosines, const float *sines, float *x) {
  buffers at = place_buffers(b, count);
  const float *input = normalize(&b->attention_input, count, b->width, x, NULL, at.normal);
  const ck_interleaved_layer *const attention[] = {&b->query, &b->key, &b->value};
  float *const projections[] = {at.queries, at.keys, at.values};
  multiply(b, 3, input, attention, projections, count);
  place_heads(b, &b->query_norm, b->head_count, count, cosines, sines, at.queries);
  place_heads(b, &b->key_norm, b->key_head_count, count, cosines, sines, at.keys);
  attend(b, count, rows, &at);
  const ck_interleaved_layer *const output[] = {&b->output};
  multiply(b, 1, at.mixed, output, &at.normal, count);
  normalize(&b->attention_output, count, b->width, at.normal, NULL, at.normal);

  // The residual is added on the way into the next norm.
  input = normalize(&b->feed_input, count, b->width, x, at.normal, at.normal);
  const ck_interleaved_layer *const inner[] = {&b->gate, &b->up};
  float *const halves[] = {at.gate, at.up};
  multiply(b, 2, input, inner, halves, count);
  ck_gate(b->function, count * b->inner_width, at.gate, at.up, at.gate);
  const ck_interleaved_layer *const down[] = {&b->down};
  multiply(b, 1, at.gate, down, &at.normal, count);
  normalize(&b->feed_output, count, b->width, at.normal, NULL, at.normal);
  ck_add(count * b->width, x, at.normal, x);
}
