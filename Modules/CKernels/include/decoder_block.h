// One block of a decoder for a few rows: what writing a token runs on.
//
// The same kernels in the same order as one call for each layer, so the same bits; but nothing is
// allocated between them, and the only waits are those for the products.
#ifndef CK_DECODER_BLOCK_H
#define CK_DECODER_BLOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "interleaved_matrix.h"

/// A norm's weights; none where `weight` is NULL.
typedef struct {
  const float *weight, *bias;  // [n], bias or NULL
  float weight_offset, epsilon;
  bool centres;
} ck_norm_weights;

/// A linear map by codes; no bias where it is NULL.
typedef struct {
  const ck_interleaved *matrix;
  const float *bias;
} ck_interleaved_layer;

/// x = x + N₂(attention(N₁(x))), x = x + N₄((f(g) ⊙ u) W_downᵀ) with g, u of N₃(x).
typedef struct {
  ptrdiff_t width, inner_width;  // D, F
  ptrdiff_t head_count, key_head_count, head_width;
  ck_norm_weights attention_input, attention_output, feed_input, feed_output;
  ck_norm_weights query_norm, key_norm;  // of each head
  ck_interleaved_layer query, key, value, output, gate, up, down;
  int function;     // CK_SILU and its kin
  float tolerance;  // of roundings, see ck_interleaved_linear
  ptrdiff_t window;  // of attention; 0 = all
  float scale, soft_cap;
} ck_decoder_block;

/// Rows of keys or values of a sequence [key_head_count × capacity × head_width]: floats, or codes of
/// 8 bits with a step and a zero point for each row, x = step · (code − zero).
typedef struct {
  float *floats;   // or NULL
  uint8_t *codes;  // or NULL
  float *grids;    // [key_head_count × capacity × 2]
} ck_cached_rows;

/// Where a row stands: its sequence's keys and values of this block, and its place among them.
typedef struct {
  ck_cached_rows keys, values;
  ptrdiff_t capacity, position;
} ck_decoder_row;

/// Computes a block in place for x [count × width]. Rows of one sequence must come in order.
///
/// `cosines` and `sines` are [count × head_width / 2] of pairs (i, i + head_width / 2), or NULL.
void ck_decode_block(const ck_decoder_block *block, ptrdiff_t count, const ck_decoder_row *rows,
                     const float *cosines, const float *sines, float *x);

#endif
