// Rounding with learned scales, one row at a time: forward, and back by the straight-through rule.
//
// The scale S = base · exp(shift) is formed in registers and never stored; what the way back needs
// is u = x / S alone. A row's groups each have a base, a step and bounds; groups of one column load
// them as vectors. Sums run over short pieces in a vector, beyond them in double.
#define ROUNDING_CHUNK 1024

/// What the columns of a group share, one lane per column.
typedef struct {
  vf base, first, step, low, high;
} rounding_group;

INLINE rounding_group rounding_group_at(const ck_rounding *r, ptrdiff_t at, ptrdiff_t count,
                                        bool each) {
  if (each) {
    return (rounding_group){load_some(r->base + at, count), load_some(r->first + at, count),
                            load_some(r->step + at, count), load_some(r->low + at, count),
                            load_some(r->high + at, count)};
  }
  return (rounding_group){(vf)r->base[at], (vf)r->first[at], (vf)r->step[at], (vf)r->low[at],
                          (vf)r->high[at]};
}

INLINE vf within(vf v, vf low, vf high) {
  v = v > low ? v : low;
  return v < high ? v : high;
}

INLINE vf rounding_scale(const ck_rounding *r, const rounding_group *g, ptrdiff_t i,
                         ptrdiff_t count) {
  vf shift = g->first;
  if (r->full) shift += load_some(r->full + i, count);
  shift += r->row;
  if (r->column) shift += load_some(r->column + i, count);
  return g->base * exp_vector(shift);
}

INLINE void round_lanes(const ck_rounding *r, const rounding_group *g, vf scale, ptrdiff_t i,
                        ptrdiff_t count, float *u, float *value) {
  vf v = load_some(r->x + i, count) / scale;
  if (u) store_some(u + i, v, count);
  // Adding 0 turns −0 into the 0 that a code stands for.
  vf q = within(round_vector(v), g->low, g->high) + 0.0f;
  store_some(value + i, g->step * q, count);
}

INLINE void round_columns(const ck_rounding *r, ptrdiff_t at, ptrdiff_t i, ptrdiff_t end, float *u,
                          float *value) {
  rounding_group g = rounding_group_at(r, at, LANES, false);
  if (!r->full && !r->column) {
    vf scale = rounding_scale(r, &g, i, LANES);
    for (; i + LANES <= end; i += LANES) round_lanes(r, &g, scale, i, LANES, u, value);
    if (i < end) round_lanes(r, &g, scale, i, end - i, u, value);
    return;
  }
  for (; i + LANES <= end; i += LANES) {
    round_lanes(r, &g, rounding_scale(r, &g, i, LANES), i, LANES, u, value);
  }
  if (i < end) round_lanes(r, &g, rounding_scale(r, &g, i, end - i), i, end - i, u, value);
}

static void kernel_round_learned(const ck_rounding *r, float *u, float *value) {
  if (r->group == 1) {
    for (ptrdiff_t i = 0; i < r->n; i += LANES) {
      ptrdiff_t count = r->n - i < LANES ? r->n - i : LANES;
      rounding_group g = rounding_group_at(r, i, count, true);
      round_lanes(r, &g, rounding_scale(r, &g, i, count), i, count, u, value);
    }
    return;
  }
  for (ptrdiff_t i = 0, at = 0; i < r->n; i += r->group, at++) {
    round_columns(r, at, i, r->n - i < r->group ? r->n : i + r->group, u, value);
  }
}

// MARK: - The way back

/// Adds to the sums of a piece; returns what each column gives to the gradient of its step.
INLINE vf round_gradient_lanes(const rounding_group *g, const ck_rounding_gradient *b, ptrdiff_t i,
                               ptrdiff_t count, vf *shifts) {
  vf gradient = load_some(b->gradient + i, count), u = load_some(b->u + i, count);
  vf n = round_vector(u), q = within(n, g->low, g->high);
  vi inside = (n >= g->low) & (n <= g->high);
  vf shift = inside ? -(gradient * g->step * u) : (vf)0.0f;
  if (b->shift) store_some(b->shift + i, shift, count);
  if (b->input) store_some(b->input + i, inside ? gradient : (vf)0.0f, count);
  *shifts += shift;
  return gradient * (q - (inside ? u : (vf)0.0f));
}

static double kernel_round_learned_gradient(const ck_rounding *r, const ck_rounding_gradient *b) {
  double total = 0;
  if (r->group == 1) {
    for (ptrdiff_t start = 0; start < r->n; start += ROUNDING_CHUNK) {
      ptrdiff_t end = r->n - start < ROUNDING_CHUNK ? r->n : start + ROUNDING_CHUNK;
      vf shifts = 0;
      for (ptrdiff_t i = start; i < end; i += LANES) {
        ptrdiff_t count = end - i < LANES ? end - i : LANES;
        rounding_group g = rounding_group_at(r, i, count, true);
        vf step = round_gradient_lanes(&g, b, i, count, &shifts);
        if (b->step) store_some(b->step + i, step, count);
      }
      total += sum_lanes(shifts);
    }
    return total;
  }
  for (ptrdiff_t first = 0, at = 0; first < r->n; first += r->group, at++) {
    ptrdiff_t last = r->n - first < r->group ? r->n : first + r->group;
    rounding_group g = rounding_group_at(r, at, LANES, false);
    double steps = 0;
    for (ptrdiff_t start = first; start < last; start += ROUNDING_CHUNK) {
      ptrdiff_t end = last - start < ROUNDING_CHUNK ? last : start + ROUNDING_CHUNK, i = start;
      vf shifts = 0, step = 0;
      for (; i + LANES <= end; i += LANES) {
        step += round_gradient_lanes(&g, b, i, LANES, &shifts);
      }
      if (i < end) step += round_gradient_lanes(&g, b, i, end - i, &shifts);
      total += sum_lanes(shifts);
      steps += sum_lanes(step);
    }
    if (b->step) b->step[at] = (float)steps;
  }
  return total;
}
