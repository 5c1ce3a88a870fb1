// One row of scores in the running softmax of attention.

/// Replaces scores [first, end) by exp(score − maximum) and the rest of [0, count) by zero. Updates
/// the row's maximum and sum, and returns the factor that the row's earlier output takes.
static float attend_row(float *scores, ptrdiff_t first, ptrdiff_t end, ptrdiff_t count,
                        float soft_cap, float *maximum, float *sum) {
  float *seen = scores + first;
  ptrdiff_t n = end - first;
  if (n > 0 && soft_cap > 0) {
    for (ptrdiff_t i = 0; i < n; i += LANES) {
      ptrdiff_t some = n - i < LANES ? n - i : LANES;
      vf v = some < LANES ? load_part(seen + i, some) : load(seen + i);
      v = soft_cap * tanh_vector(v * (1 / soft_cap));
      if (some < LANES) {
        store_part(seen + i, v, some);
      } else {
        store(seen + i, v);
      }
    }
  }
  float old = *maximum, new = n > 0 ? largest_of(n, seen) : -INFINITY;
  if (old > new) new = old;
  if (new == -INFINITY) {
    memset(scores, 0, (size_t)count * sizeof(float));
    return 1;
  }
  float factor = old == new ? 1 : exp_vector((vf)(old - new))[0];
  *maximum = new;
  *sum = *sum * factor;
  if (n > 0) *sum += (float)sum_of_exponentials(n, seen, new, seen);
  for (ptrdiff_t i = 0; i < first; i++) scores[i] = 0;
  for (ptrdiff_t i = end > first ? end : first; i < count; i++) scores[i] = 0;
  return factor;
}
