// What the forward and the backward pass of attention share: which keys a query sees, and where
// the rows of a head lie.
#ifndef CK_ATTENTION_H
#define CK_ATTENTION_H

#include "scratch.h"
#include "table.h"

/// Keys per tile: a panel of scores stays in L1.
#define KEY_TILE 128
/// Multiply-adds below which the caller alone is faster than a job: about 10 µs.
#define SERIAL_PRODUCTS 400000
#define ENOUGH_PARTS 8

static inline ptrdiff_t minimum(ptrdiff_t a, ptrdiff_t b) { return a < b ? a : b; }
static inline ptrdiff_t maximum(ptrdiff_t a, ptrdiff_t b) { return a > b ? a : b; }
static inline ptrdiff_t divide_up(ptrdiff_t a, ptrdiff_t b) { return (a + b - 1) / b; }
static inline ptrdiff_t aligned(ptrdiff_t floats) { return (floats + 15) / 16 * 16; }

/// Rows or columns per piece when `extent` is cut evenly into as few pieces as `limit` allows.
static inline ptrdiff_t even_pieces(ptrdiff_t extent, ptrdiff_t limit) {
  return extent <= limit ? extent : divide_up(extent, divide_up(extent, limit));
}

typedef struct {
  ptrdiff_t first, end;
} key_range;

/// The keys that a query may see, the masks given per element aside; empty when end ≤ first. Both
/// ends grow with the query.
static inline key_range visible_keys(const ck_attention_problem *a, ptrdiff_t batch,
                                     ptrdiff_t query) {
  ptrdiff_t position = query + a->key_count - a->query_count;
  key_range keys = {0, a->key_count};
  if (a->key_lengths) keys.end = minimum(keys.end, a->key_lengths[batch]);
  if (a->window > 0) {
    keys.first = maximum(0, position - a->window + 1);
    if (!a->causal) keys.end = minimum(keys.end, position + a->window);
  }
  if (a->causal) keys.end = minimum(keys.end, position + 1);
  return keys;
}

/// Where row `row` of a group of heads begins. Rows run through the heads that share a key head,
/// then through the queries.
static inline ptrdiff_t row_offset(ck_head_strides strides, ptrdiff_t batch, ptrdiff_t first_head,
                                   ptrdiff_t group, ptrdiff_t row) {
  return batch * strides.batch + (first_head + row % group) * strides.head +
         row / group * strides.row;
}

/// Brings scores from the products of a query with keys [key, key + count) into the softmax's
/// domain: caps them, then adds the mask. `capped`, unless NULL, takes them between the two.
static inline void prepare_scores(const ck_attention_problem *a, const ck_table *table,
                                  ptrdiff_t batch, ptrdiff_t head, ptrdiff_t query, ptrdiff_t key,
                                  ptrdiff_t count, float *scores, float *capped) {
  if (a->soft_cap > 0) {
    table->cap_scores(count, a->soft_cap, scores);
    if (capped) __builtin_memcpy(capped, scores, (size_t)count * sizeof(float));
  }
  ptrdiff_t at = batch * a->mask_strides.batch + head * a->mask_strides.head +
                 query * a->mask_strides.row + key;
  if (a->allowed) table->mask_scores(count, a->allowed + at, scores);
  if (a->bias) table->add(count, scores, a->bias + at, scores);
}

#endif
