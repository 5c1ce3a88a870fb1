// Attention's products with rows of 8-bit codes, x = step · (code − zero), read as they are stored.
//
// Only codes are multiplied; the grid of a row enters once: a key's score is
// step · (q·code − zero · Σq), and the values' sum is Σ (w·step) · code − Σ (w·step) · zero. Codes and
// zero points are taken less 128, as a row's numbers lie around its zero point and smaller sums round
// less. What a code converts to serves up to CODE_VECTORS queries.
//
// Factors stay below what could overflow where the numbers themselves do not: the caller expands rows
// that has_plain_grids rejects, and all rows for queries of extreme size.
#define CODE_KEYS 4
#if LANES == 16 || defined(__aarch64__)
#define CODE_VECTORS 4
#define CODE_COLUMNS 4
#else
#define CODE_VECTORS 3
#define CODE_COLUMNS 2
#endif

/// So many bytes ahead are fetched: hardware follows no stream across a page, nor one that pauses
/// while the other is read.
#define CODE_PREFETCH 4096

typedef uint8_t vb __attribute__((ext_vector_type(LANES)));
typedef int8_t vc __attribute__((ext_vector_type(LANES)));
typedef float vf_pair __attribute__((ext_vector_type(2 * LANES)));

/// Codes less 128.
INLINE vf centred_codes(const uint8_t *p) {
  vb v;
  memcpy(&v, p, sizeof v);
  return to_float(__builtin_convertvector((vc)(v ^ (uint8_t)128), vi));
}

typedef struct {
  vf step, zero;
} grid_vector;

/// The grids of `count` ≤ LANES rows, zero points less 128.
INLINE grid_vector load_grids(const float *grids, ptrdiff_t count) {
  vf_pair both = 0;
  if (count >= LANES) {
    memcpy(&both, grids, sizeof both);
  } else {
    memcpy(&both, grids, (size_t)count * 2 * sizeof(float));
  }
  grid_vector result = {both.even, both.odd - 128};
  return result;
}

/// Whether all steps and zero points are numbers of ordinary size.
static bool has_plain_grids(ptrdiff_t rows, const float *grids) {
  vi plain = -1;
  for (ptrdiff_t i = 0; i < rows; i += LANES) {
    grid_vector g = load_grids(grids + 2 * i, rows - i);
    plain &= (g.step >= 0) & (g.step <= 1e15f) & (g.zero >= -128) & (g.zero <= 127);
  }
  for (int i = 0; i < LANES; i++) {
    if (plain[i] == 0) return false;
  }
  return true;
}

/// step · (code − zero) of rows of any width.
static void expand_coded(ptrdiff_t rows, ptrdiff_t width, const uint8_t *codes, const float *grids,
                         float *out) {
  for (ptrdiff_t r = 0; r < rows; r++, codes += width, out += width) {
    float step = grids[2 * r], zero = grids[2 * r + 1];
    ptrdiff_t i = 0;
    for (; i + LANES <= width; i += LANES) {
      vb v;
      memcpy(&v, codes + i, sizeof v);
      store(out + i, step * (to_float(__builtin_convertvector(v, vi)) - zero));
    }
    for (; i < width; i++) out[i] = step * ((float)codes[i] - zero);
  }
}

// MARK: - Scores

/// The sums of four vectors, each in the same order.
INLINE void store_four_sums(vf a, vf b, vf c, vf d, float *out) {
  typedef float v4 __attribute__((ext_vector_type(4)));
  vf low = EVERY_LANE(a, b, 0, LANES, 1, LANES + 1) + EVERY_LANE(a, b, 2, LANES + 2, 3, LANES + 3);
  vf high = EVERY_LANE(c, d, 0, LANES, 1, LANES + 1) + EVERY_LANE(c, d, 2, LANES + 2, 3, LANES + 3);
  vf sums = EVERY_LANE(low, high, 0, 1, LANES, LANES + 1) +
            EVERY_LANE(low, high, 2, 3, LANES + 2, LANES + 3);
#if LANES == 16
  typedef float v8 __attribute__((ext_vector_type(8)));
  v8 half = sums.lo + sums.hi;
  v4 four = half.lo + half.hi;
#elif LANES == 8
  v4 four = sums.lo + sums.hi;
#else
  v4 four = sums;
#endif
  memcpy(out, &four, sizeof four);
}

/// Codes · x of CODE_KEYS rows from `row` on; behind the last row it is read again.
INLINE void code_dots(int vectors, const ck_coded *c, ptrdiff_t row, ptrdiff_t vector) {
  vf sum[CODE_KEYS][CODE_VECTORS];
  const uint8_t *codes[CODE_KEYS];
  const float *x = c->x + vector * c->stride_x;
#pragma clang loop unroll(full)
  for (int r = 0; r < CODE_KEYS; r++) {
    codes[r] = c->codes + (row + r < c->rows ? row + r : c->rows - 1) * c->width;
    for (int v = 0; v < vectors; v++) sum[r][v] = 0;
  }
#pragma clang loop unroll(disable)
  for (ptrdiff_t i = 0; i < c->width; i += LANES) {
    vf right[CODE_VECTORS];
#pragma clang loop unroll(full)
    for (int v = 0; v < vectors; v++) right[v] = load(x + v * c->stride_x + i);
#pragma clang loop unroll(full)
    for (int r = 0; r < CODE_KEYS; r++) {
      vf left = centred_codes(codes[r] + i);
      for (int v = 0; v < vectors; v++) sum[r][v] += left * right[v];
    }
  }
#pragma clang loop unroll(full)
  for (int v = 0; v < vectors; v++) {
    store_four_sums(sum[0][v], sum[1][v], sum[2][v], sum[3][v],
                    c->y + (vector + v) * c->stride_y + row);
  }
}

/// From products with codes to products with numbers.
static void apply_grids(const ck_coded *c, ptrdiff_t vector) {
  const float *x = c->x + vector * c->stride_x;
  float *y = c->y + vector * c->stride_y;
  vf lanes = 0;
  for (ptrdiff_t i = 0; i < c->width; i += LANES) lanes += load(x + i);
  float sum = sum_lanes(lanes);
  for (ptrdiff_t i = 0; i < c->rows; i += LANES) {
    ptrdiff_t count = c->rows - i;
    grid_vector g = load_grids(c->grids + 2 * i, count);
    if (count >= LANES) {
      store(y + i, g.step * (load(y + i) - g.zero * sum));
    } else {
      store_part(y + i, g.step * (load_part(y + i, count) - g.zero * sum), count);
    }
  }
}

/// y[v, r] = row r · x[v].
static void coded_dots(const ck_coded *c) {
  for (ptrdiff_t row = 0; row < c->rows; row += CODE_KEYS) {
    const uint8_t *ahead = c->codes + row * c->width + CODE_PREFETCH;
    for (ptrdiff_t i = 0; i < CODE_KEYS * c->width; i += 64) __builtin_prefetch(ahead + i, 0, 3);
    ptrdiff_t v = 0;
    for (; v + CODE_VECTORS <= c->vectors; v += CODE_VECTORS) code_dots(CODE_VECTORS, c, row, v);
    switch (c->vectors - v) {
      case 1: code_dots(1, c, row, v); break;
      case 2: code_dots(2, c, row, v); break;
#if CODE_VECTORS > 3
      case 3: code_dots(3, c, row, v); break;
#endif
    }
  }
  for (ptrdiff_t v = 0; v < c->vectors; v++) apply_grids(c, v);
}

// MARK: - Values

/// x[v] = x[v] · step of each row; returns Σ x · step · zero.
static float scale_weights(const ck_coded *c, ptrdiff_t vector) {
  float *x = c->x + vector * c->stride_x;
  vf sum = 0;
  for (ptrdiff_t i = 0; i < c->rows; i += LANES) {
    ptrdiff_t count = c->rows - i;
    grid_vector g = load_grids(c->grids + 2 * i, count);
    vf weight = g.step * (count < LANES ? load_part(x + i, count) : load(x + i));
    sum += weight * g.zero;
    if (count < LANES) {
      store_part(x + i, weight, count);
    } else {
      store(x + i, weight);
    }
  }
  return sum_lanes(sum);
}

/// Adds weights · codes to `columns` vectors of the results, and takes `shifts` away.
INLINE void add_codes(int vectors, int columns, const ck_coded *c, ptrdiff_t vector,
                      ptrdiff_t column, const float *shifts) {
  vf sum[CODE_VECTORS][CODE_COLUMNS];
#pragma clang loop unroll(full)
  for (int v = 0; v < vectors; v++) {
    for (int j = 0; j < columns; j++) sum[v][j] = 0;
  }
  const uint8_t *codes = c->codes + column;
  const float *x = c->x + vector * c->stride_x;
#pragma clang loop unroll(disable)
  for (ptrdiff_t r = 0; r < c->rows; r++, codes += c->width, x++) {
    __builtin_prefetch(codes + CODE_PREFETCH, 0, 3);
    vf right[CODE_COLUMNS];
#pragma clang loop unroll(full)
    for (int j = 0; j < columns; j++) right[j] = centred_codes(codes + j * LANES);
#pragma clang loop unroll(full)
    for (int v = 0; v < vectors; v++) {
      vf left = x[v * c->stride_x];
      for (int j = 0; j < columns; j++) sum[v][j] += left * right[j];
    }
  }
#pragma clang loop unroll(full)
  for (int v = 0; v < vectors; v++) {
    float *y = c->y + (vector + v) * c->stride_y + column;
    for (int j = 0; j < columns; j++) {
      store(y + j * LANES, load(y + j * LANES) + (sum[v][j] - shifts[v]));
    }
  }
}

INLINE void add_code_columns(int vectors, const ck_coded *c, ptrdiff_t vector) {
  float shifts[CODE_VECTORS];
  for (int v = 0; v < vectors; v++) shifts[v] = scale_weights(c, vector + v);
  ptrdiff_t column = 0;
  for (; column + CODE_COLUMNS * LANES <= c->width; column += CODE_COLUMNS * LANES) {
    add_codes(vectors, CODE_COLUMNS, c, vector, column, shifts);
  }
  for (; column < c->width; column += LANES) add_codes(vectors, 1, c, vector, column, shifts);
}

/// y[v] += Σ x[v, r] · row r. Overwrites x.
static void add_coded(const ck_coded *c) {
  ptrdiff_t v = 0;
  for (; v + CODE_VECTORS <= c->vectors; v += CODE_VECTORS) add_code_columns(CODE_VECTORS, c, v);
  switch (c->vectors - v) {
    case 1: add_code_columns(1, c, v); break;
    case 2: add_code_columns(2, c, v); break;
#if CODE_VECTORS > 3
    case 3: add_code_columns(3, c, v); break;
#endif
  }
}
