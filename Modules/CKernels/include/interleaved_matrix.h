// Products straight from low-bit weights that lie in the order in which the kernels read them.
//
// Rows form bands: 8 rows, 16 where codes have two bits, 32 where they are signs. A band holds its
// groups of columns one after the other, each as a header (scales and offsets of the band's rows)
// and units of 32 columns, so that one pass over the bytes computes all rows of the band at once and
// no sum is ever taken across a vector. A quad is four neighbouring columns; a line is 32 bytes,
// four for each of eight rows.
//
//   4 bits  four lines: line i holds quad 2i in its low nibbles, quad 2i + 1 in its high ones
//   3 bits  three lines: bits 0 … 2 of line i are quad 2i, bits 4 … 6 quad 2i + 1; bits 3 and 7 are
//           bit i of quads 6 and 7
//   5 bits  four lines as for 4 bits, then one whose bit e is the fifth bit of quad e
//   8 bits  eight lines of code − 128
//   6 bits  four lines as for 4 bits, then two whose bits 2e and 2e + 1 are the upper bits of quad e
//           (of quad 4 + e in the second)
//   2 bits  four lines of 16 rows × 2 planes: byte 2r + p is bit p of row r, of quad 2i in the low
//           nibble (bit t: column t of the quad), of quad 2i + 1 in the high one
//   signs   for each plane four lines of 32 rows: the nibbles of row 8i + j in byte
//           16 · (i mod 2) + 2j + i / 2; a set bit is +1
//
// The last unit of a row is filled with zero codes, the last band with rows of zero scales. The last
// group of a row may be short.
//
// Where blocks of rows scale their inputs, each block for itself, every block begins with a band. Behind
// its rows may lie one more, of its zero points: multiplied with the same rounded inputs and taken from
// the others' sums, so that what cancels in floats cancels in integers.
//
// Activations are rounded to 8 bits with a step for each unit, once for all matrices that share
// them. Where a row's expected relative error is above the tolerance, what the rounding of its worst
// units left is rounded again, to 16 or 24 bits, and multiplied with those units' codes alone.
#ifndef CK_INTERLEAVED_MATRIX_H
#define CK_INTERLEAVED_MATRIX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/// What the codes of a matrix are.
typedef enum {
  CK_CODES_2 = 2,
  CK_CODES_3 = 3,
  CK_CODES_4 = 4,
  CK_CODES_5 = 5,
  CK_CODES_6 = 6,  // only with CK_SCALES_6K
  CK_CODES_8 = 8,
  CK_SIGNS = 1,  // with CK_SCALES_HALF_OFFSETS or CK_SCALES_FLOAT
} ck_code_kind;

/// What a header holds, for each row of the band; value = scale · code + offset.
typedef enum {
  CK_SCALES_HALF = 0,          // binary16 scale; offset = −zero · scale, one zero for the matrix
  CK_SCALES_HALF_ZEROS = 1,    // binary16 scale, 8-bit zero; offset = −zero · scale
  CK_SCALES_HALF_OFFSETS = 2,  // binary16 scale and offset; of signs a scale for each plane
  CK_SCALES_FLOAT = 3,         // binary32 scale and offset; of signs a scale for each plane
  /// Of 4 and 5 bits, groups of 256: binary16 d and m; before each unit 8-bit s and t: scale = d·s,
  /// offset = −m·t.
  CK_SCALES_4K = 4,
  /// Of 3 and 6 bits, groups of 256: binary16 d; before each unit two signed 8-bit s, of its halves:
  /// scale = d·s, offset = −4 · scale for 3 bits, −32 · scale for 6.
  CK_SCALES_6K = 5,
} ck_scale_kind;

typedef struct {
  ck_code_kind codes;
  ck_scale_kind scales;
  int planes;  // of signs, 1 … 8
  int zero;    // of CK_SCALES_HALF
  ptrdiff_t row_count, column_count;
  ptrdiff_t group_size;  // a multiple of 32, or at least column_count
  const uint8_t *data;
  const float *column_scales;  // [blocks × column_count]: what a block's inputs are multiplied with, or NULL
  const float *column_weights; // with them: of each block what ck_weigh_columns makes of its scales
  ptrdiff_t block_rows;        // with them: the rows of a block; the last may have fewer
  bool has_zero_rows;          // with them
} ck_interleaved;

/// The rows of a band.
ptrdiff_t ck_interleaved_band_rows(const ck_interleaved *matrix);
/// The bytes of a band, and of a matrix the bands of all rows.
ptrdiff_t ck_interleaved_band_bytes(const ck_interleaved *matrix);

/// The rows of one band as they come.
typedef struct {
  ptrdiff_t rows;        // at most those of a band
  const uint8_t *codes;  // [rows × column_count]; of signs bit i for plane i
  const float *scale;    // [rows × groups]; of signs [rows × groups × planes]
  const float *offset;   // [rows × groups]: zeros for CK_SCALES_HALF_ZEROS, m for CK_SCALES_4K
  const uint8_t *unit_scale;   // [rows × units] for CK_SCALES_4K, [rows × 2 units] for CK_SCALES_6K
  const uint8_t *unit_offset;  // [rows × units] for CK_SCALES_4K
} ck_band;

/// Writes the bytes of one band.
void ck_interleave(const ck_interleaved *matrix, const ck_band *band, uint8_t *out);
/// The weights that errors of scaled inputs have, of one block: floats of them, and their values.
ptrdiff_t ck_column_weight_count(ptrdiff_t columns);
void ck_weigh_columns(ptrdiff_t columns, const float *scales, float *weights);
/// The bands from one block to the next, with column scales.
ptrdiff_t ck_interleaved_block_bands(const ck_interleaved *matrix);
/// The values of one row [column_count].
void ck_interleaved_row(const ck_interleaved *matrix, ptrdiff_t row, float *out);

/// One product: y [m × row_count] = x · Wᵀ + bias.
typedef struct {
  const ck_interleaved *matrix;
  const float *bias;  // [row_count] or NULL
  float *y;
  ptrdiff_t stride_y;
} ck_interleaved_product;

/// Computes `count` products of the same x [m × column_count], rounded once, with column scales once for
/// each block; threads inside.
///
/// `tolerance` bounds the error of a row of x by rounding, ‖x − x̂‖ / ‖x‖, as it is measured (with column
/// scales for each block: of what x̂ would be before it was scaled); where sums of
/// four are looked up, the root of their mean square. What 24 bits cannot do is done in 24 bits. A row
/// with NaN or infinity gives NaN. Magnitudes below 2⁻¹¹⁹ count as zero. Returns how often a unit of a row
/// was rounded again.
ptrdiff_t ck_interleaved_linear(ptrdiff_t count, const ck_interleaved_product *products,
                                ptrdiff_t m, const float *x, ptrdiff_t stride_x, float tolerance);

#endif
