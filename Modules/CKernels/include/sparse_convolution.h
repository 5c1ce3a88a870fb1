// Sparse convolutions, and the search for the neighbours that their maps are made of; threads inside.
#ifndef CK_SPARSE_CONVOLUTION_H
#define CK_SPARSE_CONVOLUTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/// The pairs of rows that the offsets of a kernel bring together. Within an offset inputs and
/// outputs both ascend, and no row occurs twice on either side.
typedef struct {
  ptrdiff_t kernel_volume, output_rows;
  const int32_t *starts;           // [kernel_volume + 1]: where the pairs of each offset start
  const int32_t *inputs, *outputs; // [starts[kernel_volume]]
  // [(blocks + 1) × kernel_volume]: where the pairs of each block of `block_rows` output rows start
  const int32_t *block_starts;
  ptrdiff_t block_rows;
  ptrdiff_t identity;  // the offset that brings every row to itself, or −1
  bool is_partition;   // every output row is in exactly one pair
} ck_sparse_map;

/// Fills block_starts.
void ck_sparse_block_starts(ptrdiff_t kernel_volume, const int32_t *starts, const int32_t *outputs,
                            ptrdiff_t output_rows, ptrdiff_t block_rows, int32_t *block_starts);

/// y[out] = Σ x[in] · weight[offset] + bias over the pairs of a map; weight is
/// [kernel_volume × input_channels × output_channels], or with the last two turned when
/// `transpose_weight`. Bias may be NULL. Every row of y is written.
typedef struct {
  const ck_sparse_map *map;
  ptrdiff_t input_channels, output_channels;
  const float *x, *weight, *bias;
  bool transpose_weight;
  float *y;
} ck_sparse_product;

void ck_sparse_convolve(const ck_sparse_product *product);

/// gradient[offset] = Σ x[in]ᵀ · y[out] over the pairs of an offset, summed in ranges whose borders
/// depend on the shape alone; [kernel_volume × input_channels × output_channels].
typedef struct {
  const ck_sparse_map *map;
  ptrdiff_t input_channels, output_channels;
  const float *x, *y;
  float *gradient;
} ck_sparse_weight_gradient;

void ck_sparse_convolve_weight(const ck_sparse_weight_gradient *arguments);

/// The neighbours of sites that a search has found.
typedef struct ck_neighbours ck_neighbours;

enum { CK_NEIGHBOUR_COLUMNS = 64, CK_NEIGHBOUR_WIDTH = 16 };

/// For ascending keys and each column c of a half kernel finds the keys
/// keys[i] − steps[c] + z, 0 ≤ z < widths[c] ≤ CK_NEIGHBOUR_WIDTH, all below keys[i]. `counts` gets
/// the number of hits for every c and z, in order. `ck_take_neighbours` must follow.
ck_neighbours *ck_find_neighbours(ptrdiff_t count, const uint64_t *keys, ptrdiff_t columns,
                                  const uint64_t *steps, const int32_t *widths, ptrdiff_t *counts);

/// Writes the pairs of the whole kernel, the half that was searched, the centre and the mirrored
/// half, from `starts` on, and releases the search.
void ck_take_neighbours(ck_neighbours *neighbours, const int32_t *starts, int32_t *inputs,
                        int32_t *outputs);

/// Sorts by the `bits` bits from `first_bit` on; equal ones stay in their order. n < 2^32, one
/// thread.
void ck_sort_keys(ptrdiff_t n, int first_bit, int bits, uint64_t *keys, uint64_t *scratch);

#endif
