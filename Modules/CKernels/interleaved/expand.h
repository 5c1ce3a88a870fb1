// Bands of signs as floats, for many rows of x: a product in floats takes one multiplication for a weight,
// look-ups one for each of its planes.

/// The rows of a band [32 × stride], all units whole: stride is at least 32 · units.
static void expand_signs(const ck_interleaved *m, const uint8_t *band, ptrdiff_t stride, float *out) {
  const words shifts = {0, 1, 2, 3, 4, 5, 6, 7};
  bool is_half = m->scales != CK_SCALES_FLOAT;
  ptrdiff_t units = ck_units(m->column_count), header = -1;
  // Twice the scales, and what all signs unset would give.
  float scales[8][32], least[32];
  for (ptrdiff_t unit = 0; unit < units; unit++) {
    ck_unit_place at = ck_place(m, unit);
    if (at.header != header) {
      header = at.header;
      for (int i = 0; i < 32; i += 8) {
        floats offset = header_floats(is_half, band + header, 32 * m->planes + i);
        for (int plane = 0; plane < m->planes; plane++) {
          floats scale = header_floats(is_half, band + header, 32 * plane + i);
          store_floats(scales[plane] + i, 2 * scale);
          offset -= scale;
        }
        store_floats(least + i, offset);
      }
    }
    const uint8_t *codes = band + at.unit;
    for (int row = 0; row < 32; row++) {
      const uint8_t *bytes_of_row = codes + 16 * (row / 8 % 2) + 2 * (row % 8) + row / 16;
      for (int line = 0; line < 4; line++) {
        floats value = least[row];
        for (int plane = 0; plane < m->planes; plane++) {
          uint32_t signs = bytes_of_row[128 * plane + 32 * line];
          value += scales[plane][row] * to_floats((ints)((signs >> shifts) & 1));
        }
        store_floats(out + row * stride + unit * CK_UNIT + 8 * line, value);
      }
    }
  }
}
