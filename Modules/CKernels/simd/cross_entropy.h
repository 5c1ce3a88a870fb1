// Cross-entropy of rows of logits with one target each, and its gradient while the row is in cache.
//
//   loss = lse − (1 − ε) x_t − ε/n Σ x + z lse²,   lse = log Σ exp(x)
//   d loss/dx_j = p_j (1 + 2 z lse) − ε/n − (1 − ε) [j = t],   p = exp(x − lse)

static void cross_entropy_row(const ck_cross_entropy *c, const float *x, int32_t target,
                              float factor, float *loss, float *gradient) {
  ptrdiff_t n = c->n;
  float offset = largest_scaled(n, x, 1), chosen = x[target];
  double mean = c->smoothing > 0 ? sum_of(n, x) / (double)n : 0;
  double sum = gradient ? scaled_exponentials(n, x, 1, offset, true, gradient)
                        : scaled_exponentials(n, x, 1, offset, false, NULL);
  // Relative to the largest logit, so that a large one does not swallow the difference.
  double log_sum = log(sum), lse = log_sum + offset, smoothing = c->smoothing;
  double value = log_sum - (1 - smoothing) * ((double)chosen - offset);
  if (smoothing > 0) value -= smoothing * (mean - offset);
  if (c->square_factor > 0) value += c->square_factor * lse * lse;
  if (loss) *loss = (float)value;
  if (gradient == NULL) return;
  double scale = factor * (1 + 2 * c->square_factor * lse) / sum;
  scale_row(n, gradient, (float)scale, (float)(-factor * smoothing / (double)n), gradient);
  gradient[target] -= (float)(factor * (1 - smoothing));
}

static void kernel_cross_entropy_rows(const ck_cross_entropy *c) {
  for (ptrdiff_t row = 0; row < c->rows; row++) {
    float *gradient = c->gradient ? c->gradient + row * c->n : NULL;
    float *loss = c->losses ? c->losses + row : NULL;
    if (c->targets[row] == c->ignored) {
      if (loss) *loss = 0;
      if (gradient) memset(gradient, 0, (size_t)c->n * sizeof(float));
    } else {
      float factor = c->factors ? c->factors[row] : c->factor;
      cross_entropy_row(c, c->logits + row * c->n, c->targets[row], factor, loss, gradient);
    }
  }
}
