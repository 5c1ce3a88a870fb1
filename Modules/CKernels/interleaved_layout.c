// Where everything lies in an interleaved matrix: sizes, packing of bands, unpacking of rows. Done
// once per matrix, by integers alone: one copy serves every instruction set.
#include <math.h>
#include <string.h>

#include "interleaved_table.h"
#include "scratch.h"

ptrdiff_t ck_interleaved_band_rows(const ck_interleaved *matrix) {
  return matrix->codes == CK_SIGNS ? 32 : matrix->codes == CK_CODES_2 ? 16 : 8;
}

ptrdiff_t ck_interleaved_band_bytes(const ck_interleaved *matrix) {
  ptrdiff_t units = ck_units(matrix->column_count);
  return ck_groups(matrix) * ck_header_bytes(matrix) + units * ck_unit_bytes(matrix);
}

ptrdiff_t ck_interleaved_block_bands(const ck_interleaved *matrix) {
  ptrdiff_t height = ck_interleaved_band_rows(matrix);
  return (matrix->block_rows + matrix->has_zero_rows + height - 1) / height;
}

// MARK: - Column scales

/// Scales beside the largest below this count as that large: a weight must not vanish.
#define LEAST_SCALE 0x1p-40f

ptrdiff_t ck_column_weight_count(ptrdiff_t columns) { return (CK_UNIT + 1) * ck_units(columns); }

void ck_weigh_columns(ptrdiff_t columns, const float *scales, float *weights) {
  ptrdiff_t units = ck_units(columns);
  float largest = 0, least = INFINITY;
  for (ptrdiff_t k = 0; k < columns; k++) largest = fmaxf(largest, fabsf(scales[k]));
  float floor = largest > 0 ? largest * LEAST_SCALE : 1;
  for (ptrdiff_t k = 0; k < columns; k++) {
    weights[k] = fmaxf(fabsf(scales[k]), floor);
    least = fminf(least, weights[k]);
  }
  for (ptrdiff_t k = 0; k < columns; k++) weights[k] = least / weights[k];
  for (ptrdiff_t k = columns; k < CK_UNIT * units; k++) weights[k] = 0;
  for (ptrdiff_t unit = 0; unit < units; unit++) {
    float sum = 0;
    for (ptrdiff_t k = unit * CK_UNIT; k < (unit + 1) * CK_UNIT; k++) sum += weights[k] * weights[k];
    weights[CK_UNIT * units + unit] = sum / CK_UNIT;
  }
}

// MARK: - Halves

/// Round to nearest even; callers pass what binary16 holds exactly.
static uint16_t half(float value) {
  uint16_t out;
  ck_float32_to_float16(1, &value, &out);
  return out;
}

static float from_half(const uint8_t *p) {
  uint16_t bits;
  float out;
  memcpy(&bits, p, 2);
  ck_float16_to_float32(1, &bits, &out);
  return out;
}

static void put_half(uint8_t *p, float value) {
  uint16_t bits = half(value);
  memcpy(p, &bits, 2);
}

static float from_float(const uint8_t *p) {
  float out;
  memcpy(&out, p, 4);
  return out;
}

// MARK: - Headers

/// Value number `index` of the header's array number `array`: [values of height rows each].
static void put_value(const ck_interleaved *m, uint8_t *header, ptrdiff_t array, ptrdiff_t row,
                      float value) {
  ptrdiff_t height = ck_interleaved_band_rows(m), index = array * height + row;
  if (m->scales == CK_SCALES_FLOAT) {
    memcpy(header + 4 * index, &value, 4);
  } else if (m->scales == CK_SCALES_HALF_ZEROS && array == 1) {
    header[2 * height + row] = (uint8_t)value;
  } else {
    put_half(header + 2 * index, value);
  }
}

static float value_at(const ck_interleaved *m, const uint8_t *header, ptrdiff_t array,
                      ptrdiff_t row) {
  ptrdiff_t height = ck_interleaved_band_rows(m), index = array * height + row;
  if (m->scales == CK_SCALES_FLOAT) return from_float(header + 4 * index);
  if (m->scales == CK_SCALES_HALF_ZEROS && array == 1) return header[2 * height + row];
  return from_half(header + 2 * index);
}

static void put_header(const ck_interleaved *m, const ck_band *band, ptrdiff_t group,
                       uint8_t *header) {
  ptrdiff_t groups = ck_groups(m);
  ptrdiff_t scales = m->codes == CK_SIGNS ? m->planes : 1;
  bool has_offset = m->scales != CK_SCALES_HALF && m->scales != CK_SCALES_6K;
  for (ptrdiff_t row = 0; row < band->rows; row++) {
    ptrdiff_t at = row * groups + group;
    for (ptrdiff_t i = 0; i < scales; i++) {
      put_value(m, header, i, row, band->scale[at * scales + i]);
    }
    if (has_offset) put_value(m, header, scales, row, band->offset ? band->offset[at] : 0);
  }
}

// MARK: - Codes

/// The place of row `row` of signs among the bytes of a line.
static ptrdiff_t sign_byte(ptrdiff_t row) {
  ptrdiff_t i = row / 8;
  return 16 * (i % 2) + 2 * (row % 8) + i / 2;
}

/// Bit `bit` of each of four bytes, the first one lowest.
static uint8_t gather_bits(uint32_t quad, int bit) {
  return (uint8_t)(((quad >> bit & 0x01010101) * 0x01020408) >> 24 & 15);
}

static void or_quad(uint8_t *at, uint32_t quad) {
  uint32_t old;
  memcpy(&old, at, 4);
  old |= quad;
  memcpy(at, &old, 4);
}

/// Planes of bits: nibbles of quads 2i and 2i + 1 in one byte for each line and plane.
static void put_planes(const ck_interleaved *m, const uint32_t q[8], uint8_t *unit,
                       ptrdiff_t row) {
  int planes = m->codes == CK_SIGNS ? m->planes : 2;
  for (int plane = 0; plane < planes; plane++) {
    for (int i = 0; i < 4; i++) {
      uint8_t *line = unit + 32 * i;
      uint8_t *at = m->codes == CK_SIGNS ? line + 128 * plane + sign_byte(row)
                                         : line + 2 * row + plane;
      *at = (uint8_t)(gather_bits(q[2 * i], plane) | gather_bits(q[2 * i + 1], plane) << 4);
    }
  }
}

/// Puts the 32 codes of a row, as eight quads, into the unit's zeroed bytes.
static void put_codes(const ck_interleaved *m, const uint32_t q[8], uint8_t *unit,
                      ptrdiff_t row) {
  uint8_t *at = unit + 4 * row;
  switch (m->codes) {
    case CK_CODES_8:
      for (int i = 0; i < 8; i++) or_quad(at + 32 * i, q[i] ^ 0x80808080);
      return;
    case CK_CODES_4:
      for (int i = 0; i < 4; i++) or_quad(at + 32 * i, q[2 * i] | q[2 * i + 1] << 4);
      return;
    case CK_CODES_5:
      for (int i = 0; i < 8; i++) {
        or_quad(at + 32 * (i / 2), (q[i] & 0x0f0f0f0f) << 4 * (i % 2));
        or_quad(at + 128, (q[i] >> 4 & 0x01010101) << i);
      }
      return;
    case CK_CODES_6:
      for (int i = 0; i < 8; i++) {
        or_quad(at + 32 * (i / 2), (q[i] & 0x0f0f0f0f) << 4 * (i % 2));
        or_quad(at + 128 + 32 * (i / 4), (q[i] >> 4 & 0x03030303) << 2 * (i % 4));
      }
      return;
    case CK_CODES_3:
      for (int i = 0; i < 3; i++) {
        uint32_t sixth = (q[6] >> i & 0x01010101) << 3, seventh = (q[7] >> i & 0x01010101) << 7;
        or_quad(at + 32 * i, q[2 * i] | q[2 * i + 1] << 4 | sixth | seventh);
      }
      return;
    case CK_CODES_2:
    case CK_SIGNS: put_planes(m, q, unit, row); return;
  }
}

static uint8_t code_at(const ck_interleaved *m, const uint8_t *unit, ptrdiff_t row, ptrdiff_t k) {
  ptrdiff_t quad = k / 4, at = 4 * row + k % 4;
  int shift = quad % 2 ? 4 : 0, code = 0;
  const uint8_t *line = unit + quad / 2 * 32;
  switch (m->codes) {
    case CK_CODES_4: return line[at] >> shift & 15;
    case CK_CODES_5:
      return (uint8_t)((line[at] >> shift & 15) | (unit[128 + at] >> quad & 1) << 4);
    case CK_CODES_6:
      code = unit[128 + quad / 4 * 32 + at] >> 2 * (quad % 4) & 3;
      return (uint8_t)((line[at] >> shift & 15) | code << 4);
    case CK_CODES_3:
      if (quad < 6) return line[at] >> shift & 7;
      for (int bit = 0; bit < 3; bit++) {
        code |= (unit[32 * bit + at] >> (quad == 6 ? 3 : 7) & 1) << bit;
      }
      return (uint8_t)code;
    case CK_CODES_8: return unit[32 * quad + at] ^ 0x80;
    case CK_CODES_2:
      for (int plane = 0; plane < 2; plane++) {
        code |= (line[2 * row + plane] >> (shift + k % 4) & 1) << plane;
      }
      return (uint8_t)code;
    case CK_SIGNS:
      for (int plane = 0; plane < m->planes; plane++) {
        code |= (line[128 * plane + sign_byte(row)] >> (shift + k % 4) & 1) << plane;
      }
      return (uint8_t)code;
  }
  return 0;
}

/// The bytes in front of a unit's codes: of the formats that have scales of units.
static ptrdiff_t unit_header_bytes(const ck_interleaved *m) {
  return m->scales == CK_SCALES_4K || m->scales == CK_SCALES_6K ? 16 : 0;
}

static void put_unit(const ck_interleaved *m, const ck_band *band, ptrdiff_t unit, uint8_t *out) {
  ptrdiff_t units = ck_units(m->column_count), first = unit * CK_UNIT;
  ptrdiff_t count = m->column_count - first < CK_UNIT ? m->column_count - first : CK_UNIT;
  uint8_t *codes = out + unit_header_bytes(m);
  for (ptrdiff_t row = 0; row < band->rows; row++) {
    if (m->scales == CK_SCALES_4K) {
      out[row] = band->unit_scale[row * units + unit];
      out[8 + row] = band->unit_offset[row * units + unit];
    } else if (m->scales == CK_SCALES_6K) {
      out[row] = band->unit_scale[2 * (row * units + unit)];
      out[8 + row] = band->unit_scale[2 * (row * units + unit) + 1];
    }
    uint32_t quads[8] = {0};
    memcpy(quads, band->codes + row * m->column_count + first, (size_t)count);
    put_codes(m, quads, codes, row);
  }
}

void ck_interleave(const ck_interleaved *m, const ck_band *band, uint8_t *out) {
  memset(out, 0, (size_t)ck_interleaved_band_bytes(m));
  ptrdiff_t units = ck_units(m->column_count), unit = 0;
  for (ptrdiff_t group = 0; group < ck_groups(m); group++) {
    put_header(m, band, group, out);
    out += ck_header_bytes(m);
    ptrdiff_t end = ck_group_end(m, group, units);
    for (; unit < end; unit++, out += ck_unit_bytes(m)) put_unit(m, band, unit, out);
  }
}

// MARK: - Rows

/// The scale and the offset of a row in a group, and of a half of a unit.
static void read_scale(const ck_interleaved *m, const uint8_t *header, const uint8_t *unit,
                       ptrdiff_t row, ptrdiff_t half, float *scale, float *offset) {
  *scale = value_at(m, header, 0, row);
  switch (m->scales) {
    case CK_SCALES_HALF: *offset = -(float)m->zero * *scale; return;
    case CK_SCALES_HALF_ZEROS: *offset = -value_at(m, header, 1, row) * *scale; return;
    case CK_SCALES_HALF_OFFSETS:
    case CK_SCALES_FLOAT: *offset = value_at(m, header, 1, row); return;
    case CK_SCALES_4K:
      *offset = -value_at(m, header, 1, row) * unit[8 + row];
      *scale *= unit[row];
      return;
    case CK_SCALES_6K:
      *scale *= (int8_t)unit[8 * half + row];
      *offset = -(float)(m->codes == CK_CODES_3 ? 4 : 32) * *scale;
      return;
  }
}

static float sign_value(const ck_interleaved *m, const uint8_t *header, ptrdiff_t row,
                        uint8_t code) {
  float value = value_at(m, header, m->planes, row);
  for (int plane = 0; plane < m->planes; plane++) {
    float scale = value_at(m, header, plane, row);
    value += code >> plane & 1 ? scale : -scale;
  }
  return value;
}

/// The values of a row without column scales.
static void expand_row(const ck_interleaved *m, ptrdiff_t row, float *out) {
  ptrdiff_t height = ck_interleaved_band_rows(m), units = ck_units(m->column_count), unit = 0;
  const uint8_t *p = m->data + row / height * ck_interleaved_band_bytes(m);
  row %= height;
  for (ptrdiff_t group = 0; group < ck_groups(m); group++) {
    const uint8_t *header = p;
    p += ck_header_bytes(m);
    ptrdiff_t end = ck_group_end(m, group, units);
    for (; unit < end; unit++, p += ck_unit_bytes(m)) {
      const uint8_t *codes = p + unit_header_bytes(m);
      float scale = 0, offset = 0;
      for (ptrdiff_t k = 0; k < CK_UNIT && unit * CK_UNIT + k < m->column_count; k++) {
        uint8_t code = code_at(m, codes, row, k);
        float *value = out + unit * CK_UNIT + k;
        if (m->codes == CK_SIGNS) {
          *value = sign_value(m, header, row, code);
          continue;
        }
        if (k % 16 == 0) read_scale(m, header, p, row, k / 16, &scale, &offset);
        *value = scale * (float)code + offset;
      }
    }
  }
}

void ck_interleaved_row(const ck_interleaved *m, ptrdiff_t row, float *out) {
  if (m->column_scales == NULL) {
    expand_row(m, row, out);
    return;
  }
  ptrdiff_t index = row / m->block_rows, columns = m->column_count;
  ck_interleaved block = ck_block(m, index);
  const float *scales = m->column_scales + index * columns;
  expand_row(&block, row % m->block_rows, out);
  if (m->has_zero_rows) {
    float *zeros = ck_scratch(SCRATCH_ROWS, columns);
    expand_row(&block, block.row_count - 1, zeros);
    for (ptrdiff_t k = 0; k < columns; k++) out[k] -= zeros[k];
  }
  for (ptrdiff_t k = 0; k < columns; k++) out[k] *= scales[k];
}
