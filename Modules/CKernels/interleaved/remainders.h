// Units of a band times what their rounding left: few of them, so each finds its own header.

/// Codes of 3, 4, 5 and 8 bits with scales of groups.
INLINE void uniform_remainders(int bits, int kind, const ck_interleaved *m, const uint8_t *band,
                               const ck_remainders *x, ptrdiff_t first, ptrdiff_t end,
                               float *out) {
  floats sum = load_floats(out);
  for (ptrdiff_t i = first; i < end; i++) {
    ck_unit_place at = ck_place(m, x->units[i]);
    group_header h = read_header(kind, band + at.header, 8, 0, line_zero(bits, m));
    bytes lines[8];
    unpack_unit(bits, band + at.unit, lines);
    floats part = to_floats(dot_quads(bits, lines, 0, 8, x->codes + i * CK_UNIT)) * x->steps[i];
    sum += part * h.scale;
    sum += line_offset(bits, kind, h) * x->sums[i];
  }
  store_floats(out, sum);
}

INLINE void remainders_4k(int bits, const ck_interleaved *m, const uint8_t *band, const ck_remainders *x,
                          ptrdiff_t first, ptrdiff_t end, float *out) {
  floats sum = load_floats(out);
  for (ptrdiff_t i = first; i < end; i++) {
    ck_unit_place at = ck_place(m, x->units[i]);
    group_header h = read_header(CK_SCALES_4K, band + at.header, 8, 0, 0);
    const uint8_t *p = band + at.unit;
    bytes lines[8];
    unpack_unit(bits, p + 16, lines);
    floats part = to_floats(dot_quads(bits, lines, 0, 8, x->codes + i * CK_UNIT)) * x->steps[i];
    sum += part * to_floats(to_ints(p)) * h.scale;
    sum -= to_floats(to_ints(p + 8)) * x->sums[i] * h.offset;
  }
  store_floats(out, sum);
}

INLINE void remainders_6k(int bits, const ck_interleaved *m, const uint8_t *band, const ck_remainders *x,
                          ptrdiff_t first, ptrdiff_t end, float *out) {
  floats sum = load_floats(out);
  for (ptrdiff_t i = first; i < end; i++) {
    ck_unit_place at = ck_place(m, x->units[i]);
    const uint8_t *p = band + at.unit;
    const int8_t *quads = x->codes + i * CK_UNIT;
    bytes lines[8];
    unpack_signed_unit(bits, p + 16, lines);
    ints lower = dot_quads(SIGNED_BITS, lines, 0, 4, quads);
    ints upper = dot_quads(SIGNED_BITS, lines, 4, 4, quads);
    floats part = to_floats(lower) * to_floats(to_signed_ints(p));
    part += to_floats(upper) * to_floats(to_signed_ints(p + 8));
    sum += part * x->steps[i] * load_halves(band + at.header);
  }
  store_floats(out, sum);
}

// MARK: - Tables

// The sums of these tables are zero: those of x are exact already.

INLINE void remainders_of_2(int kind, const ck_interleaved *m, const uint8_t *band,
                            const ck_remainders *x, ptrdiff_t first, ptrdiff_t end, float *out) {
  floats low = load_floats(out), high = load_floats(out + 8);
  for (ptrdiff_t i = first; i < end; i++) {
    ck_unit_place at = ck_place(m, x->units[i]);
    floats part[2] = {0, 0};
    look_up_unit(band + at.unit, x->tables + i * 128, part, x->steps[i]);
    low += part[0] * (read_header(kind, band + at.header, 16, 0, m->zero).scale * 0.5f);
    high += part[1] * (read_header(kind, band + at.header, 16, 8, m->zero).scale * 0.5f);
  }
  store_floats(out, low);
  store_floats(out + 8, high);
}

INLINE void remainders_of_signs(bool is_half, const ck_interleaved *m, const uint8_t *band,
                                const ck_remainders *x, ptrdiff_t first, ptrdiff_t end,
                                float *out) {
  floats sum[4];
  for (int i = 0; i < 4; i++) sum[i] = load_floats(out + 8 * i);
  for (ptrdiff_t index = first; index < end; index++) {
    ck_unit_place at = ck_place(m, x->units[index]);
    for (int plane = 0; plane < m->planes; plane++) {
      floats part[4] = {0, 0, 0, 0};
      look_up_signs(band + at.unit + 128 * plane, x->tables + index * 128, part, x->steps[index]);
      for (int i = 0; i < 4; i++) {
        sum[i] += part[i] * header_floats(is_half, band + at.header, 32 * plane + 8 * i);
      }
    }
  }
  for (int i = 0; i < 4; i++) store_floats(out + 8 * i, sum[i]);
}

// MARK: - Choice

static void add_remainders(const ck_interleaved *m, const uint8_t *band, const ck_remainders *x,
                           ptrdiff_t first, ptrdiff_t end, float *out) {
#define OF_2(kind) remainders_of_2(kind, m, band, x, first, end, out)
#define OF_3(kind) uniform_remainders(3, kind, m, band, x, first, end, out)
#define OF_4(kind) uniform_remainders(4, kind, m, band, x, first, end, out)
#define OF_5(kind) uniform_remainders(5, kind, m, band, x, first, end, out)
#define OF_8(kind) uniform_remainders(8, kind, m, band, x, first, end, out)
  switch (m->codes) {
    case CK_SIGNS:
      if (m->scales == CK_SCALES_FLOAT) {
        remainders_of_signs(false, m, band, x, first, end, out);
      } else {
        remainders_of_signs(true, m, band, x, first, end, out);
      }
      return;
    case CK_CODES_2: EACH_KIND(OF_2)
    case CK_CODES_3:
      if (m->scales == CK_SCALES_6K) {
        remainders_6k(3, m, band, x, first, end, out);
        return;
      }
      EACH_KIND(OF_3)
    case CK_CODES_4:
      if (m->scales == CK_SCALES_4K) {
        remainders_4k(4, m, band, x, first, end, out);
        return;
      }
      EACH_KIND(OF_4)
    case CK_CODES_5:
      if (m->scales == CK_SCALES_4K) {
        remainders_4k(5, m, band, x, first, end, out);
        return;
      }
      EACH_KIND(OF_5)
    case CK_CODES_6: remainders_6k(6, m, band, x, first, end, out); return;
    case CK_CODES_8: EACH_KIND(OF_8)
  }
#undef OF_2
#undef OF_3
#undef OF_4
#undef OF_5
#undef OF_8
}

// MARK: - Panels

/// The products of `tokens` remainders of one unit, added to the sums of their rows.
INLINE void multiply_remainders(int bits, int tokens, const ck_panel *panel, const ck_remainders *x,
                                ptrdiff_t index, ptrdiff_t row, float *out) {
  ptrdiff_t unit = x->units[index] - panel->first;
  ptrdiff_t run = panel->units_per_run == 1 ? unit : unit / panel->units_per_run;
  const uint8_t *lines = panel->lines + PANEL_UNIT * unit;
  const int8_t *codes = x->codes + index * CK_UNIT;
  panel_floats added[CK_TILE_TOKENS];
  panel_ints total[CK_TILE_TOKENS];
  const int halves = bits == SIGNED_BITS ? 2 : 1;
#pragma clang loop unroll(full)
  for (int t = 0; t < tokens; t++) added[t] = 0;
#pragma clang loop unroll(full)
  for (int half = 0; half < halves; half++) {
    ptrdiff_t at = bits == SIGNED_BITS ? 2 * unit + half : run;
    panel_floats scale = load_panel_floats(panel->scales + PANEL_ROWS * at);
    tile_quads(bits, tokens, 8 / halves * half, 8 / halves, lines, codes, 4, CK_UNIT, total);
#pragma clang loop unroll(full)
    for (int t = 0; t < tokens; t++) added[t] += to_panel_floats(total[t]) * scale * x->steps[index + t];
  }
  for (int t = 0; t < tokens; t++) {
    if (bits != SIGNED_BITS) {
      added[t] += load_panel_floats(panel->offsets + PANEL_ROWS * run) * x->sums[index + t];
    }
    float *to = out + PANEL_ROWS * (x->rows[index + t] - row);
    store_panel_floats(to, load_panel_floats(to) + added[t]);
  }
}

INLINE void panel_remainders(int bits, const ck_panel *panel, const ck_remainders *x,
                             ptrdiff_t first, ptrdiff_t end, ptrdiff_t row, float *out) {
  while (first < end) {
    ptrdiff_t last = first + CK_TILE_TOKENS - 1;
    if (last < end && x->units[last] == x->units[first]) {
      multiply_remainders(bits, CK_TILE_TOKENS, panel, x, first, row, out);
      first += CK_TILE_TOKENS;
    } else {
      multiply_remainders(bits, 1, panel, x, first, row, out);
      first++;
    }
  }
}

static void add_panel_remainders(const ck_interleaved *m, const ck_panel *panel,
                                 const ck_remainders *x, ptrdiff_t first, ptrdiff_t end,
                                 ptrdiff_t row, float *out) {
  if (m->scales == CK_SCALES_6K) {
    panel_remainders(SIGNED_BITS, panel, x, first, end, row, out);
  } else if (m->codes == CK_CODES_8) {
    panel_remainders(8, panel, x, first, end, row, out);
  } else if (m->codes == CK_CODES_5) {
    panel_remainders(5, panel, x, first, end, row, out);
  } else {
    panel_remainders(4, panel, x, first, end, row, out);
  }
}
