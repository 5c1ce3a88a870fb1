// A band of rows times many rows of x: prompts and batches.
//
// The band is unpacked once for all of them, to lines of one code a byte that stay in the nearest
// caches; a tile of PANEL_ROWS by CK_TILE_TOKENS then costs one multiplication and one addition for
// as many products as a vector has bytes.

/// The bytes of a line and of a unit's lines.
#define PANEL_LINE (4 * PANEL_ROWS)
#define PANEL_UNIT (8 * PANEL_LINE)

/// Two bits: four signs of a nibble become four bytes.
INLINE words spread_nibbles(words nibbles) { return (nibbles * 0x00204081) & 0x01010101; }

INLINE void unpack_pairs(const uint8_t *p, ptrdiff_t first, uint8_t *lines) {
  typedef uint16_t eight __attribute__((ext_vector_type(8)));
  for (int i = 0; i < 4; i++) {
    eight pairs;
    memcpy(&pairs, p + 32 * i + 2 * first, sizeof pairs);
    words v = __builtin_convertvector(pairs, words);
    words low = spread_nibbles(v & 15) + 2 * spread_nibbles((v >> 8) & 15);
    words high = spread_nibbles((v >> 4) & 15) + 2 * spread_nibbles(v >> 12);
    memcpy(lines + 2 * i * PANEL_LINE, &low, 32);
    memcpy(lines + (2 * i + 1) * PANEL_LINE, &high, 32);
  }
}

INLINE void unpack_lines(int bits, bool is_signed, const uint8_t *p, uint8_t *out) {
  bytes lines[8];
  if (is_signed) {
    unpack_signed_unit(bits, p, lines);
  } else {
    unpack_unit(bits, p, lines);
  }
  for (int i = 0; i < 8; i++) memcpy(out + PANEL_LINE * i, &lines[i], 32);
}

/// Rows first … first + 7 of the codes of a unit.
INLINE void unpack_codes(const ck_interleaved *m, const uint8_t *p, ptrdiff_t first, uint8_t *out) {
  switch (m->codes) {
    case CK_CODES_2: unpack_pairs(p, first, out); return;
    case CK_CODES_3:
      if (m->scales == CK_SCALES_6K) {
        unpack_lines(3, true, p, out);
      } else {
        unpack_lines(3, false, p, out);
      }
      return;
    case CK_CODES_4: unpack_lines(4, false, p, out); return;
    case CK_CODES_5: unpack_lines(5, false, p, out); return;
    case CK_CODES_6: unpack_lines(6, true, p, out); return;
    default: unpack_lines(8, false, p, out); return;
  }
}

/// The scales of one unit out of those of its group and its own.
INLINE void unpack_unit_scales(const ck_interleaved *m, const uint8_t *p, group_header h,
                               float *scales, float *offsets) {
  if (m->scales == CK_SCALES_4K) {
    store_floats(scales, h.scale * to_floats(to_ints(p)));
    store_floats(offsets, -h.offset * to_floats(to_ints(p + 8)));
  } else {
    store_floats(scales, h.scale * to_floats(to_signed_ints(p)));
    store_floats(scales + PANEL_ROWS, h.scale * to_floats(to_signed_ints(p + 8)));
  }
}

static void unpack_band(const ck_interleaved *m, const uint8_t *band, ptrdiff_t first,
                        ptrdiff_t lane, const ck_panel *panel) {
  int height = (int)ck_interleaved_band_rows(m), bits = (int)m->codes;
  bool has_unit_scales = m->scales == CK_SCALES_4K || m->scales == CK_SCALES_6K;
  uint8_t *lines = panel->lines + 4 * lane;
  float *scales = panel->scales + lane, *offsets = panel->offsets + lane;
  ptrdiff_t units = panel->units, unit = 0, unit_bytes = ck_unit_bytes(m);
  ptrdiff_t step = m->scales == CK_SCALES_6K ? 2 * PANEL_ROWS : PANEL_ROWS;
  for (ptrdiff_t run = 0; run < panel->runs; run++) {
    ck_unit_place at = ck_place(m, panel->first + unit);
    group_header h = read_header(m->scales, band + at.header, height, (int)first,
                                 line_zero(bits, m));
    if (!has_unit_scales) {
      store_floats(scales + PANEL_ROWS * run, h.scale);
      store_floats(offsets + PANEL_ROWS * run, line_offset(bits, m->scales, h));
    }
    const uint8_t *p = band + at.unit;
    ptrdiff_t left = units - unit, count = panel->units_per_run;
    for (count = left < count ? left : count; count > 0; count--, unit++, p += unit_bytes) {
      if (has_unit_scales) {
        unpack_unit_scales(m, p, h, scales + step * unit, offsets + PANEL_ROWS * unit);
      }
      // The next panel, whose turn comes when this one is multiplied: without it a tenth of the time
      // of 64 rows of x went into waiting here.
      for (ptrdiff_t i = 0; i < unit_bytes; i += 64) {
        __builtin_prefetch(p + CK_PANEL_UNITS * unit_bytes + i, 0, 2);
      }
      unpack_codes(m, p + (has_unit_scales ? 16 : 0), first, lines + unit * PANEL_UNIT);
    }
  }
}

// MARK: - Tiles

/// Integer sums of quads first … first + count − 1 of a unit, for each row of x: its quads `stride`
/// bytes apart, those of the next row `next` bytes on.
INLINE void tile_quads(int bits, int tokens, int first, int count, const uint8_t *lines,
                       const int8_t *x, int stride, int next, panel_ints total[CK_TILE_TOKENS]) {
  int step = QUADS_OF(bits) < count ? QUADS_OF(bits) : count;
#pragma clang loop unroll(full)
  for (int t = 0; t < tokens; t++) total[t] = 0;
#pragma clang loop unroll(full)
  for (int start = 0; start < count; start += step) {
    panel_partial sum[CK_TILE_TOKENS];
#pragma clang loop unroll(full)
    for (int t = 0; t < tokens; t++) sum[t] = 0;
#pragma clang loop unroll(full)
    for (int i = 0; i < step; i++) {
      int q = first + start + i;
      panel_bytes line = load_panel_line(lines + PANEL_LINE * q);
#pragma clang loop unroll(full)
      for (int t = 0; t < tokens; t++) {
        sum[t] = add_panel_products(bits, sum[t], line, x + stride * q + next * t);
      }
    }
#pragma clang loop unroll(full)
    for (int t = 0; t < tokens; t++) total[t] += widen_panel(sum[t]);
  }
}

/// The tile of rows that begins at row `first`.
typedef struct {
  const int8_t *codes;  // [units × 8 × CK_TILE_TOKENS × 4]
  const float *steps;   // [units × CK_TILE_TOKENS]
  const float *sums;    // [runs × CK_TILE_TOKENS]
} token_tile;

/// Bytes between quads of a tile, and between its rows.
#define TILE_STRIDES 4 * CK_TILE_TOKENS, 4

/// out [tokens × PANEL_ROWS] += the tile's products.
INLINE void multiply_tile(int bits, int tokens, const ck_panel *panel, token_tile x, float *out) {
  const uint8_t *lines = panel->lines;
  panel_floats sum[CK_TILE_TOKENS];
#pragma clang loop unroll(full)
  for (int t = 0; t < tokens; t++) sum[t] = load_panel_floats(out + PANEL_ROWS * t);
  ptrdiff_t left = panel->units;
  for (ptrdiff_t run = 0; run < panel->runs; run++, x.sums += CK_TILE_TOKENS) {
    panel_floats scale = load_panel_floats(panel->scales + PANEL_ROWS * run);
    ptrdiff_t count = left < panel->units_per_run ? left : panel->units_per_run;
    left -= count;
    for (; count > 0; count--, lines += PANEL_UNIT, x.codes += CK_UNIT * CK_TILE_TOKENS) {
      panel_ints total[CK_TILE_TOKENS];
      tile_quads(bits, tokens, 0, 8, lines, x.codes, TILE_STRIDES, total);
#pragma clang loop unroll(full)
      for (int t = 0; t < tokens; t++) sum[t] += to_panel_floats(total[t]) * scale * x.steps[t];
      x.steps += CK_TILE_TOKENS;
    }
    panel_floats offset = load_panel_floats(panel->offsets + PANEL_ROWS * run);
#pragma clang loop unroll(full)
    for (int t = 0; t < tokens; t++) sum[t] += offset * x.sums[t];
  }
#pragma clang loop unroll(full)
  for (int t = 0; t < tokens; t++) store_panel_floats(out + PANEL_ROWS * t, sum[t]);
}

/// The same with scales of halves of units and no offsets.
INLINE void multiply_halves(int tokens, const ck_panel *panel, token_tile x, float *out) {
  panel_floats sum[CK_TILE_TOKENS];
#pragma clang loop unroll(full)
  for (int t = 0; t < tokens; t++) sum[t] = load_panel_floats(out + PANEL_ROWS * t);
  for (ptrdiff_t unit = 0; unit < panel->units; unit++) {
#pragma clang loop unroll(full)
    for (int half = 0; half < 2; half++) {
      const float *scales = panel->scales + PANEL_ROWS * (2 * unit + half);
      panel_floats scale = load_panel_floats(scales);
      panel_ints total[CK_TILE_TOKENS];
      tile_quads(SIGNED_BITS, tokens, 4 * half, 4, panel->lines + PANEL_UNIT * unit, x.codes, TILE_STRIDES,
                 total);
#pragma clang loop unroll(full)
      for (int t = 0; t < tokens; t++) sum[t] += to_panel_floats(total[t]) * scale * x.steps[t];
    }
    x.codes += CK_UNIT * CK_TILE_TOKENS;
    x.steps += CK_TILE_TOKENS;
  }
#pragma clang loop unroll(full)
  for (int t = 0; t < tokens; t++) store_panel_floats(out + PANEL_ROWS * t, sum[t]);
}

INLINE void multiply_tokens(int tokens, const ck_interleaved *m, const ck_panel *panel,
                            token_tile x, float *out) {
  if (m->scales == CK_SCALES_6K) {
    multiply_halves(tokens, panel, x, out);
  } else if (m->codes == CK_CODES_8) {
    multiply_tile(8, tokens, panel, x, out);
  } else if (m->codes == CK_CODES_5) {
    multiply_tile(5, tokens, panel, x, out);
  } else {
    multiply_tile(4, tokens, panel, x, out);
  }
}

static void multiply_panel(const ck_interleaved *m, const ck_panel *panel, const ck_arranged *x,
                           ptrdiff_t first, ptrdiff_t count, float *out) {
  ptrdiff_t units = x->units, skipped = panel->first * CK_TILE_TOKENS;
  token_tile tile = {.codes = x->codes + first * units * CK_UNIT + skipped * CK_UNIT,
                     .steps = x->steps + first * units + skipped,
                     .sums = panel->sums};
  for (; count > 0; count -= CK_TILE_TOKENS, out += PANEL_ROWS * CK_TILE_TOKENS) {
    switch (count) {
      case 1: multiply_tokens(1, m, panel, tile, out); break;
      case 2: multiply_tokens(2, m, panel, tile, out); break;
      case 3: multiply_tokens(3, m, panel, tile, out); break;
      default: multiply_tokens(CK_TILE_TOKENS, m, panel, tile, out);
    }
    tile.codes += CK_TILE_TOKENS * units * CK_UNIT;
    tile.steps += CK_TILE_TOKENS * units;
    tile.sums += panel->sums_stride;
  }
}
