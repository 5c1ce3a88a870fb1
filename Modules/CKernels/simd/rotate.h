// Rotary embedding of one head: pairs of elements turn by an angle each.

/// Pairs (i, i + half): out_i = x_i c − x_{i+half} s, out_{i+half} = x_{i+half} c + x_i s, with
/// s = sign · sines. `out` may be `x`.
static void rotate_halves(ptrdiff_t half, const float *cosines, const float *sines, float sign,
                          const float *x, float *out) {
  const float *y = x + half;
  float *upper = out + half;
  for (ptrdiff_t i = 0; i < half; i += LANES) {
    ptrdiff_t count = half - i;
    if (count >= LANES) {
      vf low = load(x + i), high = load(y + i), c = load(cosines + i), s = sign * load(sines + i);
      store(out + i, low * c - high * s);
      store(upper + i, high * c + low * s);
    } else {
      vf low = load_part(x + i, count), high = load_part(y + i, count);
      vf c = load_part(cosines + i, count), s = sign * load_part(sines + i, count);
      store_part(out + i, low * c - high * s, count);
      store_part(upper + i, high * c + low * s, count);
    }
  }
}

// Lanes i of one vector come out twice, side by side; the lower and the upper half of them.
#if LANES == 4
#define LOWER_TWICE(v) SHUFFLE(v, v, 0, 0, 1, 1)
#define UPPER_TWICE(v) SHUFFLE(v, v, 2, 2, 3, 3)
#define SWAP_NEIGHBOURS(v) SHUFFLE(v, v, 1, 0, 3, 2)
#elif LANES == 8
#define LOWER_TWICE(v) SHUFFLE(v, v, 0, 0, 1, 1, 2, 2, 3, 3)
#define UPPER_TWICE(v) SHUFFLE(v, v, 4, 4, 5, 5, 6, 6, 7, 7)
#define SWAP_NEIGHBOURS(v) SHUFFLE(v, v, 1, 0, 3, 2, 5, 4, 7, 6)
#else
#define LOWER_TWICE(v) SHUFFLE(v, v, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7)
#define UPPER_TWICE(v) SHUFFLE(v, v, 8, 8, 9, 9, 10, 10, 11, 11, 12, 12, 13, 13, 14, 14, 15, 15)
#define SWAP_NEIGHBOURS(v) SHUFFLE(v, v, 1, 0, 3, 2, 5, 4, 7, 6, 9, 8, 11, 10, 13, 12, 15, 14)
#endif

/// Pairs (2i, 2i + 1), else as rotate_halves.
static void rotate_neighbours(ptrdiff_t half, const float *cosines, const float *sines, float sign,
                              const float *x, float *out) {
  vf signs;
  for (int i = 0; i < LANES; i++) signs[i] = i % 2 == 0 ? -sign : sign;
  ptrdiff_t i = 0;
  for (; i + LANES <= half; i += LANES) {
    vf c = load(cosines + i), s = load(sines + i);
    vf first = load(x + 2 * i), second = load(x + 2 * i + LANES);
    store(out + 2 * i, first * LOWER_TWICE(c) + SWAP_NEIGHBOURS(first) * (LOWER_TWICE(s) * signs));
    store(out + 2 * i + LANES,
          second * UPPER_TWICE(c) + SWAP_NEIGHBOURS(second) * (UPPER_TWICE(s) * signs));
  }
  for (; i < half; i++) {
    float even = x[2 * i], odd = x[2 * i + 1], s = sign * sines[i];
    out[2 * i] = even * cosines[i] - odd * s;
    out[2 * i + 1] = odd * cosines[i] + even * s;
  }
}
#undef LOWER_TWICE
#undef UPPER_TWICE
#undef SWAP_NEIGHBOURS
