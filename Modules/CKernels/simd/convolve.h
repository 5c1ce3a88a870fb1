// The inner tiles of convolutions.
//
// A tile works on runs: stretches of neighbouring pixels of a padded copy of the image (a window).
// Step p of its sum reads every pixel at one more offset, offsets[p], which stands for a channel
// and a place in the kernel; so one loop serves every stride, dilation, and phase of a transposed
// convolution. Three forms:
//
// - runs × channels: RUN_ROWS pixels, each broadcast, times two vectors of channels from a packed
//   panel of weights; the tile is transposed in registers when it is stored into planes. The same
//   loop computes gradients of weights: there the "pixels" of a run are places of the kernel and
//   the sum is over the pixels of the batch.
// - runs of one vector of pixels × few channels, for depthwise convolutions and the like.
// - dots of runs, for gradients of weights with few channels.
//
// Each element is one chain of multiply-adds in the order of the offsets: how the pixels are split
// into runs and parts never shows.

// As many rows as in tile.h. RUNS(X) lists X(runs, length), runs · length ≤ TILE_ROWS.
#if TILE_ROWS == 14
#define RUNS(X) X(8, 1) X(4, 2) X(4, 3) X(3, 4) X(2, 5) X(2, 6) X(2, 7)
#define RUN_LIMIT 7
#define FEW_CHANNELS 6
#elif TILE_ROWS == 12
#define RUNS(X) X(8, 1) X(4, 2) X(4, 3) X(3, 4) X(2, 5) X(2, 6)
#define RUN_LIMIT 6
#define FEW_CHANNELS 2
#else
#define RUNS(X) X(6, 1) X(3, 2) X(2, 3)
#define RUN_LIMIT 3
#define FEW_CHANNELS 2
#endif
#define FEW_RUNS 4
#define DOT_TAPS 9

typedef vf run_sums[TILE_ROWS][2];

INLINE void sum_runs(const ck_run_tile *t, int runs, int length, int vectors, run_sums sum) {
  const float *source[CK_RUNS];
  vf first_bias = t->bias ? load(t->bias) : (vf)0;
  vf second_bias = t->bias && vectors == 2 ? load(t->bias + LANES) : (vf)0;
#pragma clang loop unroll(full)
  for (int j = 0; j < runs; j++) source[j] = t->source[j];
#pragma clang loop unroll(full)
  for (int i = 0; i < runs * length; i++) {
    sum[i][0] = first_bias;
    sum[i][1] = second_bias;
  }
  const float *panel = t->panel;
#pragma clang loop unroll_count(2)
  for (ptrdiff_t p = 0; p < t->k; p++, panel += TILE_COLUMNS) {
    ptrdiff_t offset = t->offsets[p];
    vf first = load(panel), second = vectors == 2 ? load(panel + LANES) : first;
#pragma clang loop unroll(full)
    for (int j = 0; j < runs; j++) {
#pragma clang loop unroll(full)
      for (int i = 0; i < length; i++) {
        vf pixel = source[j][offset + i];
        sum[j * length + i][0] += pixel * first;
        if (vectors == 2) sum[j * length + i][1] += pixel * second;
      }
    }
  }
}

/// Channel c of pixel i of run j to target[j][c · stride + i].
INLINE void store_runs(const ck_run_tile *t, int runs, int length, int vectors, run_sums sum) {
  enum { WIDTH = (TILE_ROWS + LANES - 1) / LANES * LANES };
  float planes[TILE_COLUMNS][WIDTH];
  int rows = runs * length;
#pragma clang loop unroll(full)
  for (int v = 0; v < vectors; v++) {
#pragma clang loop unroll(full)
    for (int g = 0; g < rows; g += LANES) {
      vf r[LANES];
#pragma clang loop unroll(full)
      for (int i = 0; i < LANES; i++) r[i] = g + i < rows ? sum[g + i][v] : (vf)0;
      transpose(r);
#pragma clang loop unroll(full)
      for (int i = 0; i < LANES; i++) store(&planes[v * LANES + i][g], r[i]);
    }
  }
  for (ptrdiff_t c = 0; c < t->channels; c++) {
#pragma clang loop unroll(full)
    for (int j = 0; j < runs; j++) {
      memcpy(t->target[j] + c * t->stride, &planes[c][j * length], (size_t)length * sizeof(float));
    }
  }
}

/// Adds row i of run j to target[j] + i · stride.
INLINE void add_runs(const ck_run_tile *t, int runs, int length, int vectors, run_sums sum) {
#pragma clang loop unroll(full)
  for (int j = 0; j < runs; j++) {
#pragma clang loop unroll(full)
    for (int i = 0; i < length; i++) {
      float *to = t->target[j] + i * t->stride;
      store(to, load(to) + sum[j * length + i][0]);
      if (vectors == 2) store(to + LANES, load(to + LANES) + sum[j * length + i][1]);
    }
  }
}

#define RUN_TILE(R, L)                                   \
  static void runs_##L##_1(const ck_run_tile *t) {       \
    run_sums sum;                                        \
    sum_runs(t, R, L, 1, sum);                           \
    store_runs(t, R, L, 1, sum);                         \
  }                                                      \
  static void runs_##L##_2(const ck_run_tile *t) {       \
    run_sums sum;                                        \
    sum_runs(t, R, L, 2, sum);                           \
    store_runs(t, R, L, 2, sum);                         \
  }                                                      \
  static void added_runs_##L##_1(const ck_run_tile *t) { \
    run_sums sum;                                        \
    sum_runs(t, R, L, 1, sum);                           \
    add_runs(t, R, L, 1, sum);                           \
  }                                                      \
  static void added_runs_##L##_2(const ck_run_tile *t) { \
    run_sums sum;                                        \
    sum_runs(t, R, L, 2, sum);                           \
    add_runs(t, R, L, 2, sum);                           \
  }
RUNS(RUN_TILE)
#undef RUN_TILE

static void run_tile(const ck_run_tile *t) {
  typedef void (*function)(const ck_run_tile *);
#define ENTRY(R, L) {runs_##L##_1, runs_##L##_2},
  static const function functions[RUN_LIMIT][2] = {RUNS(ENTRY)};
#undef ENTRY
  functions[t->length - 1][t->channels > LANES](t);
}

static void added_run_tile(const ck_run_tile *t) {
  typedef void (*function)(const ck_run_tile *);
#define ENTRY(R, L) {added_runs_##L##_1, added_runs_##L##_2},
  static const function functions[RUN_LIMIT][2] = {RUNS(ENTRY)};
#undef ENTRY
  functions[t->length - 1][t->channels > LANES](t);
}

/// How many runs of `length` a tile takes; 0 when there is no such tile.
static int run_count(int length) {
#define ENTRY(R, L) R,
  static const int counts[RUN_LIMIT] = {RUNS(ENTRY)};
#undef ENTRY
  return length <= RUN_LIMIT ? counts[length - 1] : 0;
}

// MARK: - Few channels

INLINE void multiply_few(const ck_run_tile *t, int channels) {
  const float *source[FEW_RUNS];
  vf sum[FEW_CHANNELS][FEW_RUNS];
#pragma clang loop unroll(full)
  for (int j = 0; j < FEW_RUNS; j++) source[j] = t->source[j];
#pragma clang loop unroll(full)
  for (int c = 0; c < channels; c++) {
#pragma clang loop unroll(full)
    for (int j = 0; j < FEW_RUNS; j++) sum[c][j] = t->bias ? t->bias[c] : 0;
  }
  const float *weights = t->panel;
  for (ptrdiff_t p = 0; p < t->k; p++, weights += channels) {
    ptrdiff_t offset = t->offsets[p];
    vf pixels[FEW_RUNS];
#pragma clang loop unroll(full)
    for (int j = 0; j < FEW_RUNS; j++) pixels[j] = load(source[j] + offset);
#pragma clang loop unroll(full)
    for (int c = 0; c < channels; c++) {
      vf weight = weights[c];
#pragma clang loop unroll(full)
      for (int j = 0; j < FEW_RUNS; j++) sum[c][j] += weight * pixels[j];
    }
  }
#pragma clang loop unroll(full)
  for (int c = 0; c < channels; c++) {
#pragma clang loop unroll(full)
    for (int j = 0; j < FEW_RUNS; j++) {
      float *to = t->target[j] + c * t->stride;
      if (t->length == LANES) {
        store(to, sum[c][j]);
      } else {
        store_part(to, sum[c][j], t->length);
      }
    }
  }
}

/// FEW_RUNS runs of at most a vector; the panel holds [k × channels].
static void few_channel_tile(const ck_run_tile *t) {
  switch (t->channels) {
    case 1: multiply_few(t, 1); break;
    case 2: multiply_few(t, 2); break;
#if FEW_CHANNELS > 2
    case 3: multiply_few(t, 3); break;
    case 4: multiply_few(t, 4); break;
    case 5: multiply_few(t, 5); break;
    case 6: multiply_few(t, 6); break;
#endif
  }
}

/// sum[j] += Σ over the runs of left[run] · right[run + taps[j]]. Lanes beyond a run are cut on both
/// sides, so that what lies there (infinities too) does not matter.
static void run_dots(const ck_run_dots *d) {
  vf sum[DOT_TAPS];
  float lanes[LANES];
  for (int i = 0; i < LANES; i++) lanes[i] = (float)i;
  vi mask = load(lanes) < (float)d->length;
#pragma clang loop unroll(full)
  for (int j = 0; j < DOT_TAPS; j++) sum[j] = 0;
  for (ptrdiff_t run = 0; run < d->runs; run++) {
    const float *from = d->left + d->left_offsets[run];
    const float *right = d->right + d->right_offsets[run];
    vf left = d->length == LANES ? load(from) : load_part(from, d->length);
#pragma clang loop unroll(full)
    for (int j = 0; j < DOT_TAPS; j++) {
      ptrdiff_t tap = d->tap_offsets[j < d->taps ? j : 0];
      sum[j] += left * as_float(as_int(load(right + tap)) & mask);
    }
  }
  for (int j = 0; j < d->taps; j++) d->sums[j] += sum_lanes(sum[j]);
}

// MARK: - Windows

#if LANES == 4
#define EVEN_LANES(a, b) SHUFFLE(a, b, 0, 2, 4, 6)
#define INTERLEAVED(a, b) SHUFFLE(a, b, 0, 4, 1, 5)
#elif LANES == 8
#define EVEN_LANES(a, b) SHUFFLE(a, b, 0, 2, 4, 6, 8, 10, 12, 14)
#define INTERLEAVED(a, b) SHUFFLE(a, b, 0, 8, 1, 9, 2, 10, 3, 11)
#else
#define EVEN_LANES(a, b) \
  SHUFFLE(a, b, 0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30)
#define INTERLEAVED(a, b) \
  SHUFFLE(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23)
#endif

/// The pixels first + i · step for i in 0 ..< count, zero outside 0 ..< width.
INLINE void pack_pixels(const float *from, ptrdiff_t width, ptrdiff_t first, ptrdiff_t step,
                        ptrdiff_t count, float *to) {
  ptrdiff_t begin = first < 0 ? (-first + step - 1) / step : 0;
  ptrdiff_t end = first < width ? (width - first + step - 1) / step : 0;
  if (begin > count) begin = count;
  if (end > count) end = count;
  if (end < begin) end = begin;
  for (ptrdiff_t i = 0; i < begin; i++) to[i] = 0;
  ptrdiff_t i = begin;
  from += first;
  if (step == 1) {
    for (; i + LANES <= end; i += LANES) store(to + i, load(from + i));
  } else if (step == 2) {
    // The second vector starts one float early: nothing beyond the last pixel is read.
    for (; i + LANES <= end; i += LANES) {
      vf a = load(from + 2 * i), b = load(from + 2 * i + LANES - 1);
#if LANES == 4
      b = SHUFFLE(b, b, 1, 2, 3, 3);
#elif LANES == 8
      b = SHUFFLE(b, b, 1, 2, 3, 4, 5, 6, 7, 7);
#else
      b = SHUFFLE(b, b, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 15);
#endif
      store(to + i, EVEN_LANES(a, b));
    }
  }
  for (; i < end; i++) to[i] = from[i * step];
  for (i = end; i < count; i++) to[i] = 0;
}

#if LANES == 16
/// Rows of at most two vectors, padded and sorted by one look-up per vector of the window. A store
/// may spill into the next row, which is written later, or a vector past the window.
static void pack_short_rows(const ck_window *w) {
  enum { MOST = 4 };
  ptrdiff_t row_floats = w->phases * w->columns, vectors = (row_floats + LANES - 1) / LANES;
  vi index[MOST];
  __mmask16 valid[MOST] = {0};
  for (ptrdiff_t i = 0; i < vectors * LANES; i++) {
    ptrdiff_t x = w->column + i / w->columns + i % w->columns * w->phases;
    bool inside = i < row_floats && x >= 0 && x < w->width;
    index[i / LANES][i % LANES] = inside ? (int32_t)x : 0;
    valid[i / LANES] |= (__mmask16)(inside << i % LANES);
  }
  ptrdiff_t low_count = w->width < LANES ? w->width : LANES;
  __mmask16 low = (__mmask16)((1u << low_count) - 1);
  __mmask16 high = (__mmask16)((1u << (w->width - low_count)) - 1);
  float *to = w->to;
  for (ptrdiff_t c = 0; c < w->channels; c++) {
    const float *from = w->from + c * w->plane + w->row * w->width;
    for (ptrdiff_t y = w->row; y < w->row + w->rows; y++, from += w->width, to += row_floats) {
      if (y < 0 || y >= w->height) {
        for (ptrdiff_t v = 0; v < vectors; v++) store(to + v * LANES, (vf)0);
        continue;
      }
      vf a = _mm512_maskz_loadu_ps(low, from), b = _mm512_maskz_loadu_ps(high, from + LANES);
      for (ptrdiff_t v = 0; v < vectors; v++) {
        store(to + v * LANES, _mm512_maskz_permutex2var_ps(valid[v], a, (__m512i)index[v], b));
      }
    }
  }
}
#endif

/// A padded copy of a piece of an image, [channels × rows × phases × columns]. Up to a vector past
/// its end may be written.
static void pack_window(const ck_window *w) {
#if LANES == 16
  if (w->width <= 2 * LANES && w->phases * w->columns <= 4 * LANES) {
    pack_short_rows(w);
    return;
  }
#endif
  float *to = w->to;
  for (ptrdiff_t c = 0; c < w->channels; c++) {
    for (ptrdiff_t y = w->row; y < w->row + w->rows; y++) {
      bool inside = y >= 0 && y < w->height;
      const float *from = w->from + c * w->plane + (inside ? y * w->width : 0);
      for (ptrdiff_t phase = 0; phase < w->phases; phase++, to += w->columns) {
        pack_pixels(from, inside ? w->width : 0, w->column + phase, w->phases, w->columns, to);
      }
    }
  }
}

/// to[phases · i + phase] = from[phase · stride + i] for all results below `count`. Up to a vector
/// past the last float of a phase may be read.
static void interleave(ptrdiff_t count, ptrdiff_t phases, const float *from, ptrdiff_t stride,
                       float *to) {
  if (phases == 2) {
    for (ptrdiff_t i = 0; i < count; i += LANES) {
      vf a = load(from + i / 2), b = load(from + stride + i / 2);
      if (i + LANES <= count) {
        store(to + i, INTERLEAVED(a, b));
      } else {
        store_part(to + i, INTERLEAVED(a, b), count - i);
      }
    }
    return;
  }
  for (ptrdiff_t i = 0; i < count; i += phases) {
    for (ptrdiff_t phase = 0; phase < phases && i + phase < count; phase++) {
      to[i + phase] = from[phase * stride + i / phases];
    }
  }
}

/// to[channel · stride + row] = Σ over parts, in order, of from[part][row × TILE_COLUMNS].
static void sum_transposed(const ck_partial_sums *s) {
  for (ptrdiff_t c = 0; c < s->channels; c += LANES) {
    ptrdiff_t channels = s->channels - c < LANES ? s->channels - c : LANES;
    for (ptrdiff_t row = 0; row < s->rows; row += LANES) {
      ptrdiff_t rows = s->rows - row < LANES ? s->rows - row : LANES;
      vf r[LANES];
#pragma clang loop unroll(full)
      for (int i = 0; i < LANES; i++) {
        r[i] = 0;
        if (i >= rows) continue;
        const float *from = s->from + (row + i) * TILE_COLUMNS + c;
        r[i] = load(from);
        for (ptrdiff_t p = 1; p < s->parts; p++) r[i] += load(from + p * s->part_stride);
      }
      transpose(r);
#pragma clang loop unroll(full)
      for (int i = 0; i < LANES; i++) {
        if (i >= channels) break;
        float *to = s->to + (c + i) * s->stride + row;
        if (rows == LANES) {
          store(to, r[i]);
        } else {
          store_part(to, r[i], rows);
        }
      }
    }
  }
}
