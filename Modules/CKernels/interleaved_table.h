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
  uint8_t *tables; // [rows × 8 units × 16]: the sixteen signed sums of a quad, + 128; or NULL
  float *table_steps, *table_sums;  // [rows × units]
} ck_arranged;

/// What rounding did to a row.
typedef struct {
  double error, square;  // the expected ‖x − x̂‖² of the first pass, and ‖x‖²
  bool is_finite;
} ck_rounding_error;

/// A band [rows × columns] unpacked for many rows of x: lines of one code a byte.
typedef struct {
  ptrdiff_t units, groups, units_per_group;
  uint8_t *lines;  // [units × 8 × 32]
  float *scales;   // [groups × 8], for halves of units [units × 2 × 8]
  float *offsets;  // [groups × 8]
  const float *sums;  // [tiles of a block × groups × CK_TILE_TOKENS]: of the rounded activations
} ck_panel;

typedef struct {
  const char *name;
  /// Rounds row number `index` of `out`; `pass` counts how often the row was rounded before.
  ck_rounding_error (*round_row)(ptrdiff_t n, const float *x, int pass, const ck_arranged *out,
                                 ptrdiff_t index);
  ck_rounding_error (*build_tables)(ptrdiff_t n, const float *x, int pass, const ck_arranged *out,
                                    ptrdiff_t index);
  /// sums [rows of a band] = the band's rows · row number `index` of x.
  void (*multiply_band)(const ck_interleaved *matrix, const uint8_t *band, const ck_arranged *x,
                        ptrdiff_t index, float *sums);
  /// Eight rows of a band, from row `first` (0 or 8) on.
  void (*unpack_band)(const ck_interleaved *matrix, const uint8_t *band, ptrdiff_t first,
                      const ck_panel *panel);
  /// sums [count × 8] = the panel's rows · rows first … first + count − 1 of x, which lie in tiles of
  /// CK_TILE_TOKENS, `first` at the start of one.
  void (*multiply_panel)(const ck_interleaved *matrix, const ck_panel *panel, const ck_arranged *x,
                         ptrdiff_t first, ptrdiff_t count, float *sums);
} ck_interleaved_table;

extern const ck_interleaved_table ck_interleaved_baseline;
#if defined(__x86_64__)
extern const ck_interleaved_table ck_interleaved_avx2, ck_interleaved_vnni;
#elif defined(__aarch64__)
extern const ck_interleaved_table ck_interleaved_dot;
#endif

#endif
