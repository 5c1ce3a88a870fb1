// Statistics of channels and what normalization does with them: x [batch × channels × plane].
//
// A channel is a plane of every image; with planes of one element (rows of features) the channels
// are columns, taken a vector at a time. Sums are vectors over at most SUM_CHUNK elements (rows, for
// columns), in fixed order; chunks are added in double.
#define SUM_CHUNK 4096
#define ROW_CHUNK 64

/// Σ and Σ over a chunk, for both shapes of channels.
typedef struct {
  double first[LANES], second[LANES];
} chunk_totals;

INLINE void add_chunk(chunk_totals *t, vf first, vf second) {
  for (int i = 0; i < LANES; i++) {
    t->first[i] += first[i];
    t->second[i] += second[i];
  }
}

INLINE vf load_up_to(const float *p, ptrdiff_t count) {
  return count >= LANES ? load(p) : load_part(p, count);
}

INLINE void store_up_to(float *p, vf v, ptrdiff_t count) {
  if (count >= LANES) {
    store(p, v);
  } else {
    store_part(p, v, count);
  }
}

/// Lanes beyond `count` to zero.
INLINE vf cut(vf v, ptrdiff_t count) {
  if (count >= LANES) return v;
  float lanes[LANES];
  for (int i = 0; i < LANES; i++) lanes[i] = (float)i;
  return as_float(as_int(v) & (load(lanes) < (float)count));
}

// What is summed, by `kind`: a and nothing; (a − mean)² and nothing; b and b · (a − mean).
enum { SUM_VALUES, SUM_SQUARES, SUM_PRODUCTS };

INLINE void accumulate(int kind, vf a, vf b, vf mean, ptrdiff_t count, vf *first, vf *second) {
  if (kind == SUM_VALUES) *first += a;
  if (kind == SUM_SQUARES) {
    vf d = cut(a - mean, count);
    *first += d * d;
  }
  if (kind == SUM_PRODUCTS) {
    *first += b;
    *second += b * cut(a - mean, count);
  }
}

/// The sums of `columns` ≤ LANES channels that are columns.
INLINE void sum_column_channels(int kind, const ck_channels *c, ptrdiff_t columns, const float *a,
                        const float *b, vf mean, chunk_totals *totals) {
  for (ptrdiff_t start = 0; start < c->batch; start += ROW_CHUNK) {
    ptrdiff_t end = c->batch - start < ROW_CHUNK ? c->batch : start + ROW_CHUNK;
    vf first = 0, second = 0;
    for (ptrdiff_t n = start; n < end; n++) {
      vf x = load_up_to(a + n * c->channels, columns);
      vf y = kind == SUM_PRODUCTS ? load_up_to(b + n * c->channels, columns) : x;
      accumulate(kind, x, y, mean, columns, &first, &second);
    }
    add_chunk(totals, first, second);
  }
}

/// The sums of one channel of planes.
INLINE void sum_planes(int kind, const ck_channels *c, const float *a, const float *b, float mean,
                       chunk_totals *totals) {
  for (ptrdiff_t n = 0; n < c->batch; n++) {
    const float *x = a + n * c->channels * c->plane;
    const float *y = kind == SUM_PRODUCTS ? b + n * c->channels * c->plane : x;
    for (ptrdiff_t start = 0; start < c->plane; start += SUM_CHUNK) {
      ptrdiff_t end = c->plane - start < SUM_CHUNK ? c->plane : start + SUM_CHUNK, i = start;
      vf first[4], second[4];
      for (int v = 0; v < 4; v++) first[v] = second[v] = 0;
      for (; i + 4 * LANES <= end; i += 4 * LANES) {
        for (int v = 0; v < 4; v++) {
          vf p = load(x + i + v * LANES), q = load(y + i + v * LANES);
          accumulate(kind, p, q, mean, LANES, &first[v], &second[v]);
        }
      }
      for (; i < end; i += LANES) {
        vf p = load_up_to(x + i, end - i), q = load_up_to(y + i, end - i);
        accumulate(kind, p, q, mean, end - i, &first[0], &second[0]);
      }
      add_chunk(totals, (first[0] + first[1]) + (first[2] + first[3]),
                (second[0] + second[1]) + (second[2] + second[3]));
    }
  }
}

INLINE void sum_channels(int kind, const ck_channels *c, const float *a, const float *b,
                         const float *mean, double *first, double *second) {
  ptrdiff_t step = c->plane == 1 ? LANES : 1;
  for (ptrdiff_t i = 0; i < c->count; i += step) {
    chunk_totals totals = {{0}, {0}};
    const float *x = a + (c->first + i) * c->plane;
    const float *y = kind == SUM_PRODUCTS ? b + (c->first + i) * c->plane : x;
    if (c->plane == 1) {
      ptrdiff_t columns = c->count - i < LANES ? c->count - i : LANES;
      vf center = mean ? load_up_to(mean + i, columns) : (vf)0;
      sum_column_channels(kind, c, columns, x, y, center, &totals);
      for (ptrdiff_t l = 0; l < columns; l++) {
        first[i + l] = totals.first[l];
        if (kind == SUM_PRODUCTS) second[i + l] = totals.second[l];
      }
    } else {
      sum_planes(kind, c, x, y, mean ? mean[i] : 0, &totals);
      double sums[2] = {0, 0};
      for (int l = 0; l < LANES; l++) {
        sums[0] += totals.first[l];
        sums[1] += totals.second[l];
      }
      first[i] = sums[0];
      if (kind == SUM_PRODUCTS) second[i] = sums[1];
    }
  }
}

static void kernel_channel_moments(const ck_channels *c, const float *x, float *mean,
                                   float *variance) {
  double elements = (double)c->batch * (double)c->plane;
  for (ptrdiff_t i = 0; i < c->count; i += LANES) {
    ck_channels some = *c;
    some.first += i;
    some.count = c->count - i < LANES ? c->count - i : LANES;
    double sums[LANES];
    sum_channels(SUM_VALUES, &some, x, NULL, NULL, sums, NULL);
    for (ptrdiff_t l = 0; l < some.count; l++) mean[i + l] = (float)(sums[l] / elements);
    sum_channels(SUM_SQUARES, &some, x, NULL, mean + i, sums, NULL);
    for (ptrdiff_t l = 0; l < some.count; l++) variance[i + l] = (float)(sums[l] / elements);
  }
}

static void kernel_channel_products(const ck_channels *c, const float *x, const float *gradient,
                                    const float *mean, double *sums, double *products) {
  sum_channels(SUM_PRODUCTS, c, x, gradient, mean, sums, products);
}

static void kernel_channel_normalize(const ck_channels *c, const float *x, const float *mean,
                                     const float *scale, const float *shift, float *out) {
  ptrdiff_t step = c->plane == 1 ? LANES : 1;
  for (ptrdiff_t i = 0; i < c->count; i += step) {
    ptrdiff_t columns = c->count - i < LANES ? c->count - i : LANES;
    vf m, s, b;
    if (c->plane == 1) {
      m = load_up_to(mean + i, columns);
      s = load_up_to(scale + i, columns);
      b = load_up_to(shift + i, columns);
    } else {
      m = mean[i];
      s = scale[i];
      b = shift[i];
    }
    for (ptrdiff_t n = 0; n < c->batch; n++) {
      ptrdiff_t at = (n * c->channels + c->first + i) * c->plane;
      ptrdiff_t end = c->plane == 1 ? columns : c->plane;
      for (ptrdiff_t j = 0; j < end; j += LANES) {
        vf v = load_up_to(x + at + j, end - j);
        store_up_to(out + at + j, (v - m) * s + b, end - j);
      }
    }
  }
}

static void kernel_channel_gradient(const ck_channels *c, const float *x, const float *gradient,
                                    const float *mean, const ck_channel_terms *terms, float *out) {
  ptrdiff_t step = c->plane == 1 ? LANES : 1;
  for (ptrdiff_t i = 0; i < c->count; i += step) {
    ptrdiff_t columns = c->count - i < LANES ? c->count - i : LANES;
    vf m, of_gradient, of_deviation, constant;
    if (c->plane == 1) {
      m = load_up_to(mean + i, columns);
      of_gradient = load_up_to(terms->gradient + i, columns);
      of_deviation = load_up_to(terms->deviation + i, columns);
      constant = load_up_to(terms->constant + i, columns);
    } else {
      m = mean[i];
      of_gradient = terms->gradient[i];
      of_deviation = terms->deviation[i];
      constant = terms->constant[i];
    }
    for (ptrdiff_t n = 0; n < c->batch; n++) {
      ptrdiff_t at = (n * c->channels + c->first + i) * c->plane;
      ptrdiff_t end = c->plane == 1 ? columns : c->plane;
      for (ptrdiff_t j = 0; j < end; j += LANES) {
        vf v = load_up_to(x + at + j, end - j), g = load_up_to(gradient + at + j, end - j);
        store_up_to(out + at + j, of_gradient * g + of_deviation * (v - m) + constant, end - j);
      }
    }
  }
}
