// The inner tile of every matrix product: C[rows × columns] += A · B in registers.
//
// One accumulator row is two vectors wide; TILE_ROWS rows fill the register file (AVX-512: 14 × 32
// in 28 of 32 registers; AVX2 and SSE2: 6 × 2 vectors in 12 of 16; NEON: 12 × 8 in 24 of 32). Each
// step of k loads two vectors of B and broadcasts one float of A per row. There is one copy of the
// loop per row count and per width (one or two vectors), so that the last rows of a matrix cost
// what they compute. B must be readable for whole vectors; only C is cut at `columns`.
//
// A comes in two forms: column by column (element (i, p) at a[p·stride + i]: a packed panel, whose
// stride is its row count, or a transposed matrix in place) or in place, row by row. B is read in
// place with any row stride; a packed panel has stride TILE_COLUMNS. Each element of C is one
// chain of multiply-adds in the order of k, whatever the tile: how a product is split never shows.
#if LANES == 16
#define TILE_ROWS 14
#elif LANES == 4 && defined(__aarch64__)
#define TILE_ROWS 12
#else
#define TILE_ROWS 6
#endif
#define TILE_COLUMNS (2 * LANES)
#define TILE_HALF (TILE_ROWS / 2)

INLINE void finish(vf value, const ck_tile *t, ptrdiff_t row, ptrdiff_t column) {
  float *c = t->c + row * t->c_stride + column;
  ptrdiff_t count = t->columns - column;
  if (count >= LANES) {
    if (t->mode == TILE_ADD) value += load(c);
    if (t->mode == TILE_BIAS) value += load(t->bias + column);
    store(c, value);
  } else if (count > 0) {
    if (t->mode == TILE_ADD) value += load_part(c, count);
    if (t->mode == TILE_BIAS) value += load_part(t->bias + column, count);
    store_part(c, value, count);
  }
}

/// One step of k: two vectors of B times a float of A per row. `upper` is row TILE_HALF of A.
INLINE void multiply_step(int rows, int vectors, const float *a, const float *upper,
                          ptrdiff_t row_step, const float *b, vf sum[TILE_ROWS][2]) {
  vf first = load(b), second = vectors == 2 ? load(b + LANES) : first;
#pragma clang loop unroll(full)
  for (int i = 0; i < rows; i++) {
    vf left = i < TILE_HALF ? a[i * row_step] : upper[(i - TILE_HALF) * row_step];
    sum[i][0] += left * first;
    if (vectors == 2) sum[i][1] += left * second;
  }
}

/// Clears the sums and asks for C, to be there when the sums are.
INLINE void start_tile(const ck_tile *t, int rows, int vectors, vf sum[TILE_ROWS][2]) {
#pragma clang loop unroll(full)
  for (int i = 0; i < rows; i++) {
    sum[i][0] = sum[i][1] = 0;
    // To L2: rows of C a page apart fall into one set of L1 and would throw each other out.
    for (int v = 0; v < vectors; v++) {
      __builtin_prefetch(t->c + i * t->c_stride + v * LANES, 0, 2);
    }
  }
}

INLINE void finish_tile(const ck_tile *t, int rows, int vectors, vf sum[TILE_ROWS][2]) {
#pragma clang loop unroll(full)
  for (int i = 0; i < rows; i++) {
    finish(sum[i][0], t, i, 0);
    if (vectors == 2) finish(sum[i][1], t, i, LANES);
  }
}

INLINE void multiply_tile(const ck_tile *t, int rows, int vectors, bool direct) {
  vf sum[TILE_ROWS][2];
  start_tile(t, rows, vectors, sum);
  const float *a = t->a, *b = t->b;
  ptrdiff_t b_stride = t->b_stride;
  if (direct) {
    // Two bases and TILE_HALF strides fit the registers; a pointer per row does not. Unrolled, the
    // compiler gathers the loads of a row from several steps and runs out of vector registers.
    ptrdiff_t stride = t->a_stride;
    const float *upper = a + TILE_HALF * stride;
    __asm__("" : "+r"(upper), "+r"(stride));
#pragma clang loop unroll(disable)
    for (ptrdiff_t p = 0; p < t->k; p++, a++, upper++, b += b_stride) {
      multiply_step(rows, vectors, a, upper, stride, b, sum);
    }
  } else {
    ptrdiff_t stride = t->a_stride;
#pragma clang loop unroll_count(4)
    for (ptrdiff_t p = 0; p < t->k; p++, a += stride, b += b_stride) {
      multiply_step(rows, vectors, a, a + TILE_HALF, 1, b, sum);
    }
  }
  finish_tile(t, rows, vectors, sum);
}

/// Steps of k between two requests for what comes next.
#define STEPS_TOGETHER 4

/// Whole packed panels of A one below the other against a packed panel of B: with strides that the
/// compiler knows, and one call for all. The first STEPS_TOGETHER panels bring the next panel of B
/// from L3 to L2, a vector pair a step: read when it is due, it would double the time of its first
/// tile.
static void multiply_panels(const ck_tile *t, ptrdiff_t panels) {
  const float *a = t->a, *ahead = t->ahead;
  ck_tile tile = *t;
  for (ptrdiff_t panel = 0; panel < panels; panel++, tile.c += TILE_ROWS * tile.c_stride) {
    vf sum[TILE_ROWS][2];
    start_tile(&tile, TILE_ROWS, 2, sum);
    const float *b = t->b;
    ptrdiff_t p = 0, ahead_step = panel < STEPS_TOGETHER ? TILE_COLUMNS : 0;
    for (; p + STEPS_TOGETHER <= tile.k; p += STEPS_TOGETHER, ahead += ahead_step) {
      for (int i = 0; i < TILE_COLUMNS; i += 16) __builtin_prefetch(ahead + i, 0, 2);
#pragma clang loop unroll(full)
      for (int i = 0; i < STEPS_TOGETHER; i++, a += TILE_ROWS, b += TILE_COLUMNS) {
        multiply_step(TILE_ROWS, 2, a, a + TILE_HALF, 1, b, sum);
      }
    }
#pragma clang loop unroll(disable)
    for (; p < tile.k; p++, a += TILE_ROWS, b += TILE_COLUMNS) {
      multiply_step(TILE_ROWS, 2, a, a + TILE_HALF, 1, b, sum);
    }
    finish_tile(&tile, TILE_ROWS, 2, sum);
  }
}

#define TILE(R)                                                                  \
  static void tile_##R##_1(const ck_tile *t) { multiply_tile(t, R, 1, false); }  \
  static void tile_##R##_2(const ck_tile *t) { multiply_tile(t, R, 2, false); }  \
  static void direct_##R##_1(const ck_tile *t) { multiply_tile(t, R, 1, true); } \
  static void direct_##R##_2(const ck_tile *t) { multiply_tile(t, R, 2, true); }
TILE(1) TILE(2) TILE(3) TILE(4) TILE(5) TILE(6)
#if TILE_ROWS > 6
TILE(7) TILE(8) TILE(9) TILE(10) TILE(11) TILE(12)
#endif
#if TILE_ROWS > 12
TILE(13) TILE(14)
#endif
#undef TILE

static void tile(const ck_tile *t) {
  typedef void (*function)(const ck_tile *);
#define ENTRY(R) {{tile_##R##_1, tile_##R##_2}, {direct_##R##_1, direct_##R##_2}},
  static const function functions[TILE_ROWS][2][2] = {
      ENTRY(1) ENTRY(2) ENTRY(3) ENTRY(4) ENTRY(5) ENTRY(6)
#if TILE_ROWS > 6
      ENTRY(7) ENTRY(8) ENTRY(9) ENTRY(10) ENTRY(11) ENTRY(12)
#endif
#if TILE_ROWS > 12
      ENTRY(13) ENTRY(14)
#endif
  };
#undef ENTRY
  functions[t->rows - 1][t->direct][t->columns > LANES](t);
}

/// A block of packed panels of A, `rows` high each but for the last, against a packed panel of B:
/// C[height × columns].
static void tile_column(const ck_tile *t, ptrdiff_t height) {
  ck_tile next = *t;
  if (t->rows == TILE_ROWS && t->columns > LANES) {
    ptrdiff_t panels = height / TILE_ROWS, done = panels * TILE_ROWS;
    multiply_panels(t, panels);
    next.a += done * t->k;
    next.c += done * t->c_stride;
    height -= done;
  }
  for (; height > 0; height -= next.rows) {
    if (next.rows > height) next.rows = height;
    next.a_stride = next.rows;
    tile(&next);
    next.a += next.rows * t->k;
    next.c += next.rows * t->c_stride;
  }
}
