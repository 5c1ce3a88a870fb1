// The rotary embedding of one row, in place.

static void kernel_rotate_half(ptrdiff_t heads, ptrdiff_t width, const float *cosines,
                               const float *sines, float *x) {
  ptrdiff_t half = width / 2;
  for (ptrdiff_t head = 0; head < heads; head++, x += width) {
    float *y = x + half;
    for (ptrdiff_t i = 0; i < half; i += LANES) {
      ptrdiff_t count = half - i;
      if (count >= LANES) {
        vf low = load(x + i), high = load(y + i), c = load(cosines + i), s = load(sines + i);
        store(x + i, low * c - high * s);
        store(y + i, high * c + low * s);
      } else {
        vf low = load_part(x + i, count), high = load_part(y + i, count);
        vf c = load_part(cosines + i, count), s = load_part(sines + i, count);
        store_part(x + i, low * c - high * s, count);
        store_part(y + i, high * c + low * s, count);
      }
    }
  }
}
