// The inner loops of sparse convolutions: rows are gathered, multiplied and added to other rows
// without a copy between.
//
// Forward, a tile holds a few output rows times a panel of one or two vectors of channels in
// registers; each step of k loads the panel once and broadcasts one float of every input row. Six
// rows by two vectors fill 16 registers as in tile.h; a third vector would need a register more
// than there is and costs a third of the speed. There is one copy of the loop per row count and
// width, so that the last pairs of a list cost what they compute.
//
// For the gradient of a weight a tile holds a few input channels times such a panel of output
// channels and walks down the pairs.
//
// Measured on one Zen 3 core, 58,537 voxels of a street, 362,025 pairs, GFLOP/s: 32 channels 62 to
// 68, 64 channels 71 to 75, 16 channels 44, 12 channels 27.
#if LANES == 16 || defined(__aarch64__)
#define GATHER_ROWS(vectors) 8
#define OUTER_ROWS 8
#else
#define GATHER_ROWS(vectors) ((vectors) == 2 ? 6 : 8)
#define OUTER_ROWS 6
#endif
#define GATHER_ROW_LIMIT 8

/// The first `count` lanes, 0 < count ≤ LANES, fast enough for every row.
INLINE vf load_lanes(const float *p, ptrdiff_t count) {
#if LANES == 16
  return _mm512_maskz_loadu_ps((__mmask16)((1u << count) - 1), p);
#elif LANES == 8
  static const int32_t mask[16] = {-1, -1, -1, -1, -1, -1, -1, -1};
  return (vf)_mm256_maskload_ps(p, _mm256_loadu_si256((const __m256i *)(mask + 8 - count)));
#else
  return count == LANES ? load(p) : load_part(p, count);
#endif
}

/// Stores the first `count` lanes, 0 < count < LANES, by halves: a masked store costs more on AVX2
/// than the row that it ends.
INLINE void store_lanes(float *p, vf v, ptrdiff_t count) {
#if LANES == 16
  store_part(p, v, count);
#else
#if LANES == 8
  typedef float v4 __attribute__((ext_vector_type(4)));
  v4 rest = v.lo;
  if (count & 4) {
    memcpy(p, &rest, sizeof rest);
    rest = v.hi;
    p += 4;
  }
#else
  vf rest = v;
#endif
  if (count & 2) {
    p[0] = rest[0];
    p[1] = rest[1];
    rest = rest.zwzw;
    p += 2;
  }
  if (count & 1) p[0] = rest[0];
#endif
}

// MARK: - Forward

INLINE void finish_gathered(const ck_gathered *g, vf value, float *y, ptrdiff_t column) {
  ptrdiff_t count = g->columns - column;
  if (g->bias) value += load(g->bias + column);
  if (count >= LANES) {
    store(y + column, g->adds ? load(y + column) + value : value);
  } else {
    store_lanes(y + column, g->adds ? load_lanes(y + column, count) + value : value, count);
  }
}

INLINE void gather_rows(const ck_gathered *g, ptrdiff_t at, int rows, int vectors) {
  const float *x[GATHER_ROW_LIMIT];
  vf sum[GATHER_ROW_LIMIT][2];
#pragma clang loop unroll(full)
  for (int i = 0; i < rows; i++) {
    x[i] = g->x + g->inputs[at + i] * g->x_stride;
    sum[i][0] = sum[i][1] = 0;
  }
  const float *panel = g->panel;
  ptrdiff_t k = g->k;
  // Unrolled, the compiler gathers loads of several steps and runs out of vector registers.
#pragma clang loop unroll(disable)
  for (ptrdiff_t p = 0; p < k; p++, panel += TILE_COLUMNS) {
    vf first = load(panel), second = vectors == 2 ? load(panel + LANES) : first;
#pragma clang loop unroll(full)
    for (int i = 0; i < rows; i++) {
      vf left = x[i][p];
      sum[i][0] += left * first;
      if (vectors == 2) sum[i][1] += left * second;
    }
  }
#pragma clang loop unroll(full)
  for (int i = 0; i < rows; i++) {
    float *y = g->y + g->outputs[at + i] * g->y_stride;
    finish_gathered(g, sum[i][0], y, 0);
    if (vectors == 2) finish_gathered(g, sum[i][1], y, LANES);
  }
}

#define GATHER(V)                                                         \
  static void gather_##V(const ck_gathered *g) {                          \
    ptrdiff_t at = 0;                                                     \
    for (; at + GATHER_ROWS(V) <= g->count; at += GATHER_ROWS(V)) {       \
      gather_rows(g, at, GATHER_ROWS(V), V);                              \
    }                                                                     \
    switch (g->count - at) {                                              \
      case 1: return gather_rows(g, at, 1, V);                            \
      case 2: return gather_rows(g, at, 2, V);                            \
      case 3: return gather_rows(g, at, 3, V);                            \
      case 4: return gather_rows(g, at, 4, V);                            \
      case 5: return gather_rows(g, at, 5, V);                            \
      case 6: return gather_rows(g, at, GATHER_ROWS(V) > 6 ? 6 : 1, V);   \
      case 7: return gather_rows(g, at, GATHER_ROWS(V) > 7 ? 7 : 1, V);   \
      default: return;                                                    \
    }                                                                     \
  }
GATHER(1) GATHER(2)
#undef GATHER

static void gather_multiply(const ck_gathered *g) {
  if (g->columns > LANES) {
    gather_2(g);
  } else {
    gather_1(g);
  }
}

// MARK: - Gradient of the weight

INLINE void outer_rows(const ck_gathered_outer *g, int rows, int vectors) {
  vf sum[OUTER_ROWS][2];
#pragma clang loop unroll(full)
  for (int i = 0; i < rows; i++) sum[i][0] = sum[i][1] = 0;
  ptrdiff_t last = g->columns - (vectors - 1) * LANES;
  const float *x = g->x, *y = g->y;
  ptrdiff_t x_stride = g->x_stride, y_stride = g->y_stride;
  const int32_t *inputs = g->inputs, *outputs = g->outputs;
#pragma clang loop unroll(disable)
  for (ptrdiff_t p = 0; p < g->count; p++) {
    const float *left = x + inputs[p] * x_stride, *right = y + outputs[p] * y_stride;
    vf first = vectors == 2 ? load(right) : load_lanes(right, last);
    vf second = vectors == 2 ? load_lanes(right + LANES, last) : first;
#pragma clang loop unroll(full)
    for (int i = 0; i < rows; i++) {
      vf a = left[i];
      sum[i][0] += a * first;
      if (vectors == 2) sum[i][1] += a * second;
    }
  }
#pragma clang loop unroll(full)
  for (int i = 0; i < rows; i++) {
    float *w = g->w + i * g->w_stride;
    for (int v = 0; v < vectors; v++) {
      ptrdiff_t count = g->columns - v * LANES;
      float *to = w + v * LANES;
      if (count >= LANES) {
        store(to, load(to) + sum[i][v]);
      } else {
        store_lanes(to, load_lanes(to, count) + sum[i][v], count);
      }
    }
  }
}

#define OUTER(R)                                                              \
  static void outer_##R##_1(const ck_gathered_outer *g) { outer_rows(g, R, 1); } \
  static void outer_##R##_2(const ck_gathered_outer *g) { outer_rows(g, R, 2); }
OUTER(1) OUTER(2) OUTER(3) OUTER(4) OUTER(5) OUTER(6)
#if OUTER_ROWS > 6
OUTER(7) OUTER(8)
#endif
#undef OUTER

static void gather_outer(const ck_gathered_outer *g) {
  typedef void (*function)(const ck_gathered_outer *);
#define ENTRY(R) {outer_##R##_1, outer_##R##_2},
  static const function functions[OUTER_ROWS][2] = {
      ENTRY(1) ENTRY(2) ENTRY(3) ENTRY(4) ENTRY(5) ENTRY(6)
#if OUTER_ROWS > 6
      ENTRY(7) ENTRY(8)
#endif
  };
#undef ENTRY
  functions[g->rows - 1][g->columns > LANES](g);
}
