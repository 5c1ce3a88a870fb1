// Rows of activations rounded to 8 bits, and again where that is not enough.
#ifndef CK_INTERLEAVED_ROUNDING_H
#define CK_INTERLEAVED_ROUNDING_H

#include "interleaved_table.h"

/// The remainders of all rows, block of rows by block: those of a block in the order of their units,
/// those of a unit in the order of its rows.
typedef struct {
  ck_remainders list;
  ptrdiff_t rows_per_block;
  ptrdiff_t *starts;  // [blocks + 1]: where the blocks begin in the list
  uint8_t *passes;    // [rows × units]: how often a unit is rounded
} ck_again;

/// The rows of x of one call.
typedef struct {
  const ck_interleaved_table *table;
  const float *x;
  /// What a row is multiplied with first, or NULL: what its rounding leaves is then weighed.
  const ck_column_scales *scales;
  ptrdiff_t stride, count, columns;
  float tolerance;
  ck_arranged out;
  ck_again codes, tables;
  uint8_t *is_finite;  // [count]
  int32_t *extra;      // [2 × count]: how many remainders a row has, of codes and of tables
} ck_rounded_rows;

/// Rounds the rows in tiles of `tile`, to codes or to tables or to both; remainders of codes come in
/// blocks of `block` rows, those of tables in blocks of one. Memory of the thread holds it all until
/// its next call. Returns the number of remainders.
ptrdiff_t ck_round_rows(ck_rounded_rows *rounding, ptrdiff_t tile, ptrdiff_t block, bool has_codes,
                        bool has_tables);

#endif
