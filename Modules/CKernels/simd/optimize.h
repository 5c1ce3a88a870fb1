// Steps of optimizers: value, gradient and moments in one pass, in place.
//
// Without contraction a product is rounded before it is added, in whole vectors and in their tails
// alike, so the bits depend neither on the instruction set nor on where a tensor is split. Memory,
// not arithmetic, is what a step waits for.
#pragma clang fp contract(off)

// MARK: - Adam

INLINE void adam_lanes(const ck_adam *s, ptrdiff_t i, ptrdiff_t count, bool is_coupled) {
  vf w = load_some(s->value + i, count), g = load_some(s->gradient + i, count);
  vf m = load_some(s->mean + i, count), v = load_some(s->square + i, count);
  if (is_coupled) g += s->decay * w;
  m += s->mean_rate * (g - m);
  v += s->square_rate * (g * g - v);
  vf change = s->step_size * m / (s->root_scale * square_root(v) + s->epsilon);
  if (!is_coupled) change += s->decay * w;
  store_some(s->value + i, w - change, count);
  store_some(s->mean + i, m, count);
  store_some(s->square + i, v, count);
}

INLINE void adam_range(const ck_adam *step, ptrdiff_t first, ptrdiff_t n, bool is_coupled) {
  const ck_adam s = *step;
  ptrdiff_t i = first, end = first + n;
  for (; i + LANES <= end; i += LANES) adam_lanes(&s, i, LANES, is_coupled);
  if (i < end) adam_lanes(&s, i, end - i, is_coupled);
}

static void kernel_adam_step(const ck_adam *step, ptrdiff_t first, ptrdiff_t n) {
  if (step->is_coupled) {
    adam_range(step, first, n, true);
  } else {
    adam_range(step, first, n, false);
  }
}

// MARK: - Stochastic gradient descent

INLINE void sgd_lanes(const ck_sgd *s, ptrdiff_t i, ptrdiff_t count, bool moves, bool looks_ahead) {
  vf w = load_some(s->value + i, count);
  vf g = load_some(s->gradient + i, count) + s->decay * w;
  if (moves) {
    vf velocity = s->momentum * load_some(s->velocity + i, count) + g;
    store_some(s->velocity + i, velocity, count);
    g = looks_ahead ? g + s->momentum * velocity : velocity;
  }
  store_some(s->value + i, w - s->rate * g, count);
}

INLINE void sgd_range(const ck_sgd *step, ptrdiff_t first, ptrdiff_t n, bool moves,
                      bool looks_ahead) {
  const ck_sgd s = *step;
  ptrdiff_t i = first, end = first + n;
  for (; i + LANES <= end; i += LANES) sgd_lanes(&s, i, LANES, moves, looks_ahead);
  if (i < end) sgd_lanes(&s, i, end - i, moves, looks_ahead);
}

static void kernel_sgd_step(const ck_sgd *step, ptrdiff_t first, ptrdiff_t n) {
  if (step->velocity == NULL) {
    sgd_range(step, first, n, false, false);
  } else if (step->looks_ahead) {
    sgd_range(step, first, n, true, true);
  } else {
    sgd_range(step, first, n, true, false);
  }
}

// MARK: - Lion

INLINE void lion_lanes(const ck_lion *s, ptrdiff_t i, ptrdiff_t count) {
  vf w = load_some(s->value + i, count), m = load_some(s->mean + i, count);
  vf difference = load_some(s->gradient + i, count) - m;
  vf direction = sign_vector(m + s->blend_rate * difference);
  store_some(s->value + i, w - (s->rate * direction + s->decay * w), count);
  store_some(s->mean + i, m + s->mean_rate * difference, count);
}

static void kernel_lion_step(const ck_lion *step, ptrdiff_t first, ptrdiff_t n) {
  const ck_lion s = *step;
  ptrdiff_t i = first, end = first + n;
  for (; i + LANES <= end; i += LANES) lion_lanes(&s, i, LANES);
  if (i < end) lion_lanes(&s, i, end - i);
}
#pragma clang fp contract(fast)
