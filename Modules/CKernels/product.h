// One matrix product, C = A · B, with the operands as they lie in memory.
#ifndef CK_PRODUCT_H
#define CK_PRODUCT_H

#include "include/CKernels.h"

typedef struct {
  ptrdiff_t m, n, k;
  const float *a;
  ptrdiff_t stride_a;
  bool transpose_a;  // a is [k × m]
  const float *b;    // unless `rows` is set
  ptrdiff_t stride_b;
  bool transpose_b;     // b is [n × k]
  const ck_rows *rows;  // B is the transpose of these rows, in any storage,
  bool by_rows;         // or these rows themselves
  const float *bias;    // [n] or NULL
  bool accumulate;      // add to C
  float *c;
  ptrdiff_t stride_c;
} ck_product;

/// Computes the product in packed blocks, split between the pool's threads.
void ck_multiply_blocks(const ck_product *product);

#endif
