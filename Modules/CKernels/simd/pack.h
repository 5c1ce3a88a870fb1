// Copies operands into the order in which the tile reads them.
//
// A panel holds `width` rows (of A) or columns (of B) with k as the outer index: element (i, p) at
// p·width + i. Panels of B are always TILE_COLUMNS wide, padded with zeros; panels of A are as wide
// as their row count. Rows that run along k are transposed in registers, LANES × LANES at a time.

/// Writes `v` to p[0 ..< count] and, where `end` leaves room, beyond: what spills is written again
/// later. A full store is several times cheaper than a part.
INLINE void store_spilling(float *p, vf v, ptrdiff_t count, const float *end) {
  if (p + LANES <= end) {
    store(p, v);
  } else {
    store_part(p, v, count);
  }
}

/// Up to LANES rows along k, to out[p·step + row]. Writes zeros to lanes beyond `rows` when `pad`.
INLINE void transpose_rows(const float *x, ptrdiff_t stride, ptrdiff_t rows, ptrdiff_t k,
                           float *out, ptrdiff_t step, bool pad, const float *end) {
  for (ptrdiff_t p = 0; p < k; p += LANES) {
    ptrdiff_t count = k - p < LANES ? k - p : LANES;
    vf r[LANES];
#pragma clang loop unroll(full)
    for (int i = 0; i < LANES; i++) {
      const float *row = x + i * stride + p;
      r[i] = i >= rows ? (vf)0 : count == LANES ? load(row) : load_part(row, count);
    }
    transpose(r);
    float *to = out + p * step;
    // A spill is written over by the next store; where none follows there may be room.
    bool has_room = pad || rows == LANES || to + (LANES - 1) * step + LANES <= end;
    if (count == LANES && has_room) {
#pragma clang loop unroll(full)
      for (int i = 0; i < LANES; i++) store(to + i * step, r[i]);
      continue;
    }
#pragma clang loop unroll(full)
    for (int i = 0; i < LANES; i++) {
      if (i >= count) break;
      if (pad) {
        store(to + i * step, r[i]);
      } else {
        store_spilling(to + i * step, r[i], rows, end);
      }
    }
  }
}

/// Rows of A [rows × k], row-major, into panels of `width` rows.
static void pack_rows(const float *x, ptrdiff_t stride, ptrdiff_t rows, ptrdiff_t k,
                      ptrdiff_t width, float *out) {
  for (ptrdiff_t row = 0; row < rows; row += width) {
    ptrdiff_t height = rows - row < width ? rows - row : width;
    float *panel = out + row * k;
    for (ptrdiff_t i = 0; i < height; i += LANES) {
      ptrdiff_t count = height - i < LANES ? height - i : LANES;
      // A spill past the last of several groups of lanes would destroy the first.
      const float *end = height <= LANES ? panel + height * k : panel;
      const float *from = x + (row + i) * stride;
      if (height == TILE_ROWS && TILE_ROWS < LANES) {
        transpose_rows(from, stride, TILE_ROWS, k, panel, TILE_ROWS, false, end);
      } else {
        transpose_rows(from, stride, count, k, panel + i, height, false, end);
      }
    }
  }
}

/// Panels that are packed side by side: long enough pieces of each row.
#define PANELS_TOGETHER 8
/// Rows ahead that are asked for: each may lie on a page of its own.
#define ROWS_AHEAD 8

INLINE void fetch_ahead(const float *x, ptrdiff_t stride, ptrdiff_t p, ptrdiff_t k,
                        ptrdiff_t count) {
  if (p + ROWS_AHEAD >= k) return;
  for (ptrdiff_t i = 0; i < count; i += 16) __builtin_prefetch(x + ROWS_AHEAD * stride + i);
}

/// Panels of TILE_ROWS rows side by side, of A given as rows of Aᵀ.
INLINE void pack_whole_panels(const float *x, ptrdiff_t stride, ptrdiff_t k, ptrdiff_t depth,
                              float *out) {
  for (ptrdiff_t p = 0; p < k; p++, x += stride, out += TILE_ROWS) {
    fetch_ahead(x, stride, p, k, PANELS_TOGETHER * TILE_ROWS);
#pragma clang loop unroll(full)
    for (int panel = 0; panel < PANELS_TOGETHER; panel++) {
      const float *from = x + panel * TILE_ROWS;
      float *to = out + panel * TILE_ROWS * depth;
#pragma clang loop unroll(full)
      for (int i = 0; i < TILE_ROWS; i += LANES) store(to + i, load(from + i));
    }
  }
}

/// Columns of A given as rows of Aᵀ [k × rows], into panels of `width` rows that are `depth` deep.
static void pack_transposed_rows(const float *x, ptrdiff_t stride, ptrdiff_t rows, ptrdiff_t k,
                                 ptrdiff_t depth, ptrdiff_t width, float *out) {
  ptrdiff_t step = PANELS_TOGETHER * width;
  for (ptrdiff_t row = 0; row < rows; row += step) {
    ptrdiff_t together = rows - row < step ? rows - row : step;
    const float *from = x + row;
    ptrdiff_t p = 0;
    if (width == TILE_ROWS && together == step && stride >= step) {
      // Full vectors spill into the next step of a panel, written later; the last step has none.
      p = k - 1;
      pack_whole_panels(from, stride, p, depth, out + row * depth);
      from += p * stride;
    }
    for (; p < k; p++, from += stride) {
      fetch_ahead(from, stride, p, k, together);
      bool has_next = p + 1 < k && stride >= LANES;
      for (ptrdiff_t first = 0; first < together; first += width) {
        ptrdiff_t height = together - first < width ? together - first : width, i = 0;
        float *to = out + (row + first) * depth + p * height;
        for (; i + LANES <= height; i += LANES) store(to + i, load(from + first + i));
        if (i == height) continue;
        // What a full vector spills lies in the next row of the panel, which is written later.
        if (has_next && i + LANES <= 2 * height) {
          store(to + i, load(from + first + i));
        } else {
          store_part(to + i, load_part(from + first + i, height - i), height - i);
        }
      }
    }
  }
}

INLINE void pack_last_columns(const float *x, ptrdiff_t stride, ptrdiff_t columns, ptrdiff_t k,
                              float *out) {
  ptrdiff_t low = columns < LANES ? columns : LANES, high = columns - low;
  for (ptrdiff_t p = 0; p < k; p++, x += stride, out += TILE_COLUMNS) {
    store(out, low == LANES ? load(x) : load_part(x, low));
    store(out + LANES, high > 0 ? load_part(x + LANES, high) : (vf)0);
  }
}

/// B [k × columns], row-major, into panels of TILE_COLUMNS that are `depth` deep.
static void pack_columns(const float *x, ptrdiff_t stride, ptrdiff_t columns, ptrdiff_t k,
                         ptrdiff_t depth, float *out) {
  ptrdiff_t whole = columns / TILE_COLUMNS * TILE_COLUMNS, step = PANELS_TOGETHER * TILE_COLUMNS;
  for (ptrdiff_t column = 0; column < whole; column += step) {
    ptrdiff_t together = whole - column < step ? whole - column : step;
    const float *from = x + column;
    for (ptrdiff_t p = 0; p < k; p++, from += stride) {
      fetch_ahead(from, stride, p, k, together);
      float *to = out + column * depth + p * TILE_COLUMNS;
      for (ptrdiff_t i = 0; i < together; i += TILE_COLUMNS, to += TILE_COLUMNS * depth) {
        store(to, load(from + i));
        store(to + LANES, load(from + i + LANES));
      }
    }
  }
  if (whole < columns) {
    pack_last_columns(x + whole, stride, columns - whole, k, out + whole * depth);
  }
}

/// B given as rows of Bᵀ [columns × k], into panels of TILE_COLUMNS.
static void pack_transposed_columns(const float *x, ptrdiff_t stride, ptrdiff_t columns,
                                    ptrdiff_t k, float *out) {
  for (ptrdiff_t column = 0; column < columns; column += TILE_COLUMNS) {
    for (ptrdiff_t i = 0; i < TILE_COLUMNS; i += LANES) {
      ptrdiff_t left = columns - column - i;
      ptrdiff_t count = left < 0 ? 0 : left < LANES ? left : LANES;
      const float *from = count > 0 ? x + (column + i) * stride : x;
      float *to = out + column * k + i;
      if (count == LANES) {
        transpose_rows(from, stride, LANES, k, to, TILE_COLUMNS, true, NULL);
      } else {
        transpose_rows(from, stride, count, k, to, TILE_COLUMNS, true, NULL);
      }
    }
  }
}
