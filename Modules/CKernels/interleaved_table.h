// What the kernels of interleaved matrices share: sizes, and the functions that exist once per
// instruction set.
#ifndef CK_INTERLEAVED_TABLE_H
#define CK_INTERLEAVED_TABLE_H

#include "include/CKernels.h"

/// Columns of a unit: those that share an activation's step.
#define CK_UNIT 32
/// Rows of x that a tile takes at once.
#define CK_TILE_TOKENS 4

static inline ptrdiff_t ck_units(ptrdiff_t columns) { return (columns + CK_UNIT - 1) / CK_UNIT; }

static inline ptrdiff_t ck_groups(const ck_interleaved *m) {
  return (m->column_count + m->group_size - 1) / m->group_size;
}

/// The unit after the last one of a group.
static inline ptrdiff_t ck_group_end(const ck_interleaved *m, ptrdiff_t group, ptrdiff_t units) {
  if (m->group_size >= m->column_count) return units;
  ptrdiff_t end = (group + 1) * (m->group_size / CK_UNIT);
  return end < units ? end : units;
}

static inline ptrdiff_t ck_header_bytes(const ck_interleaved *m) {
  if (m->codes == CK_SIGNS) {
    return 32 * (m->planes + 1) * (m->scales == CK_SCALES_FLOAT ? 4 : 2);
  }
  ptrdiff_t rows = m->codes == CK_CODES_2 ? 16 : 8;
  switch (m->scales) {
    case CK_SCALES_HALF:
    case CK_SCALES_6K: return 2 * rows;
    case CK_SCALES_HALF_ZEROS: return 3 * rows;
    case CK_SCALES_HALF_OFFSETS:
    case CK_SCALES_4K: return 4 * rows;
    case CK_SCALES_FLOAT: return 8 * rows;
  }
  return 0;
}

/// With the scales in front of it.
static inline ptrdiff_t ck_unit_bytes(const ck_interleaved *m) {
  if (m->codes == CK_SIGNS) return 128 * m->planes;
  if (m->codes == CK_CODES_2) return 128;
  bool has_header = m->scales == CK_SCALES_4K || m->scales == CK_SCALES_6K;
  return 32 * (int)m->codes + (has_header ? 16 : 0);
}

/// Rows of activations that are rounded for the kernels; every row has `units` units.
///
/// Codes, steps and sums of `tile` rows lie together: codes [tiles × units × 8 quads × tile × 4],
/// steps and sums [tiles × units × tile].
typedef struct {
  ptrdiff_t units, tile;
  int8_t *codes;   // or NULL
  float *steps;
  float *sums;     // of the rounded activations
  float *errors;   // [rows × units]: ‖x − x̂‖² of each unit in steps, weighed
  uint8_t *tables; // [rows × 8 units × 16]: the sixteen signed sums of a quad, + 128; or NULL
  float *table_steps, *table_sums;  // [rows × units]
  /// [rows × units]: the squares of the errors of a unit's sums, for each quad their mean.
  float *table_errors;
} ck_arranged;

/// What the rounding of some units left, rounded again.
typedef struct {
  int32_t *units, *rows;    // [count]: where each belongs
  int8_t *codes;            // [count × CK_UNIT], or NULL
  uint8_t *tables;          // [count × 8 × 16], or NULL
  float *steps, *sums;      // [count]
} ck_remainders;

/// What a row is multiplied with before it is rounded. An error of a scaled value is one of x by its inverse,
/// so that the tolerance holds for x: else an input of a large scale that no weight looks at would hide all
/// others. Weights are the inverses up to a factor, which the comparison of squares does not see.
typedef struct {
  const float *scales;   // [columns]
  const float *weights;       // [whole units]: smallest |scale| / |scale|; 0 behind the last column
  const float *unit_weights;  // [units]: the means of their squares
} ck_column_scales;

/// What rounding found of a row.
typedef struct {
  double square;  // ‖x‖², weighed
  bool is_finite;
} ck_rounding_result;

/// Units of a band that are unpacked at once: the lines of eight rows and a tile's activations fit into an
/// L1 of 16 KiB, those of 32 rows into one of 48.
#define CK_PANEL_UNITS 32

/// Some units of 8 or 32 rows of W unpacked for many rows of x: lines of one code a byte. Units that
/// share scales form a run.
typedef struct {
  ptrdiff_t first, units;  // of the row's units: which
  ptrdiff_t runs, units_per_run;
  uint8_t *lines;    // [units × 8 × rows × 4]
  float *scales;     // [runs × rows], for halves of units [units × 2 × rows]
  float *offsets;    // [runs × rows]
  const float *sums; // [tiles × sums_stride]: of runs of the rounded activations, by CK_TILE_TOKENS
  ptrdiff_t sums_stride;
} ck_panel;

/// The blocks of a matrix with column scales.
static inline ptrdiff_t ck_blocks(const ck_interleaved *m) {
  return (m->row_count + m->block_rows - 1) / m->block_rows;
}

/// A block as a matrix of its own, without its scales; its row of zero points, if any, is the last.
static inline ck_interleaved ck_block(const ck_interleaved *m, ptrdiff_t block) {
  ck_interleaved part = *m;
  ptrdiff_t left = m->row_count - block * m->block_rows;
  part.row_count = (left < m->block_rows ? left : m->block_rows) + m->has_zero_rows;
  part.data += block * ck_interleaved_block_bands(m) * ck_interleaved_band_bytes(m);
  part.column_scales = NULL;
  return part;
}

/// Where a unit lies in a band: the header of its group and its own bytes.
typedef struct {
  ptrdiff_t header, unit;
} ck_unit_place;

static inline ptrdiff_t ck_units_per_group(const ck_interleaved *m) {
  bool is_one = m->group_size >= m->column_count;
  return is_one ? ck_units(m->column_count) : m->group_size / CK_UNIT;
}

static inline ck_unit_place ck_place(const ck_interleaved *m, ptrdiff_t unit) {
  ptrdiff_t width = ck_units_per_group(m), header = ck_header_bytes(m), bytes = ck_unit_bytes(m);
  ptrdiff_t group = (uint32_t)unit / (uint32_t)width;
  ck_unit_place place = {.header = group * (header + width * bytes)};
  place.unit = place.header + header + (unit - group * width) * bytes;
  return place;
}

typedef struct {
  const char *name;
  /// Rounds row number `index` of `out`; squares are weighed where there are scales.
  ck_rounding_result (*round_row)(ptrdiff_t n, const float *x, const ck_column_scales *scales,
                                  const ck_arranged *out, ptrdiff_t index);
  ck_rounding_result (*build_tables)(ptrdiff_t n, const float *x, const ck_column_scales *scales,
                                     const ck_arranged *out, ptrdiff_t index);
  /// Writes remainder number `index`: what `pass` roundings of the n values of a unit leave.
  void (*round_again)(ptrdiff_t n, const float *x, int pass, const ck_remainders *out,
                      ptrdiff_t index);
  void (*build_again)(ptrdiff_t n, const float *x, int pass, const ck_remainders *out,
                      ptrdiff_t index);
  /// sums [rows of a band] = the band's rows · row number `index` of x.
  void (*multiply_band)(const ck_interleaved *matrix, const uint8_t *band, const ck_arranged *x,
                        ptrdiff_t index, float *sums);
  /// Adds the products with remainders first … end − 1 to the sums of a band.
  void (*add_remainders)(const ck_interleaved *matrix, const uint8_t *band, const ck_remainders *x,
                         ptrdiff_t first, ptrdiff_t end, float *sums);
  /// The rows of a band of signs [32 × stride] as floats; stride is at least 32 for each unit.
  void (*expand_signs)(const ck_interleaved *matrix, const uint8_t *band, ptrdiff_t stride,
                       float *out);
  /// The rows of a panel: 8 or 32.
  ptrdiff_t panel_rows;
  /// The panel's units of eight rows of a band, from row `first` (0 or 8) on, as the panel's rows
  /// lane … lane + 7.
  void (*unpack_band)(const ck_interleaved *matrix, const uint8_t *band, ptrdiff_t first,
                      ptrdiff_t lane, const ck_panel *panel);
  /// sums [count × panel_rows] += the panel · rows first … first + count − 1 of x, which lie in tiles of
  /// CK_TILE_TOKENS, `first` at the start of one.
  void (*multiply_panel)(const ck_interleaved *matrix, const ck_panel *panel, const ck_arranged *x,
                         ptrdiff_t first, ptrdiff_t count, float *sums);
  /// The same with remainders first … end − 1, whose units are the panel's; sums begin with those of
  /// row `row` of x.
  void (*add_panel_remainders)(const ck_interleaved *matrix, const ck_panel *panel,
                               const ck_remainders *x, ptrdiff_t first, ptrdiff_t end,
                               ptrdiff_t row, float *sums);
} ck_interleaved_table;

extern const ck_interleaved_table ck_interleaved_baseline;
#if defined(__x86_64__)
extern const ck_interleaved_table ck_interleaved_avx2, ck_interleaved_vnni;
#elif defined(__aarch64__)
extern const ck_interleaved_table ck_interleaved_dot;
#endif

#endif
