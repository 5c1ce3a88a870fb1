// The vector type that every kernel is written with, and its loads, stores and shuffles.
//
// This file and its neighbours are included once per instruction set, by isa_*.c, which define
//   LANES  floats per vector: 4 (SSE2, NEON), 8 (AVX2) or 16 (AVX-512)
// and compile the inclusion under the target attribute of that set. Everything is static, so the
// three copies do not meet. Conditions are vectors of int (0 or −1) and `mask ? a : b` selects.
//
// Parts of a vector (the tail of a row) go through a masked load or store where the set has one
// and through a small stack buffer elsewhere; lanes beyond the count read as zero.
#define INLINE static inline __attribute__((always_inline))

typedef float vf __attribute__((ext_vector_type(LANES)));
typedef int32_t vi __attribute__((ext_vector_type(LANES)));
typedef uint32_t vu __attribute__((ext_vector_type(LANES)));
typedef uint16_t vh __attribute__((ext_vector_type(LANES)));

INLINE vf load(const float *p) {
  vf v;
  memcpy(&v, p, sizeof v);
  return v;
}

INLINE void store(float *p, vf v) { memcpy(p, &v, sizeof v); }

INLINE vh load_half(const uint16_t *p) {
  vh v;
  memcpy(&v, p, sizeof v);
  return v;
}

INLINE void store_half(uint16_t *p, vh v) { memcpy(p, &v, sizeof v); }

/// The first `count` lanes, 0 < count < LANES.
INLINE vf load_part(const float *p, ptrdiff_t count) {
#if LANES == 16
  return _mm512_maskz_loadu_ps((__mmask16)((1u << count) - 1), p);
#else
  float buffer[LANES] = {0};
  for (ptrdiff_t i = 0; i < count; i++) buffer[i] = p[i];
  return load(buffer);
#endif
}

INLINE void store_part(float *p, vf v, ptrdiff_t count) {
#if LANES == 16
  _mm512_mask_storeu_ps(p, (__mmask16)((1u << count) - 1), v);
#else
  float buffer[LANES];
  store(buffer, v);
  for (ptrdiff_t i = 0; i < count; i++) p[i] = buffer[i];
#endif
}

INLINE vh load_half_part(const uint16_t *p, ptrdiff_t count) {
  uint16_t buffer[LANES] = {0};
  for (ptrdiff_t i = 0; i < count; i++) buffer[i] = p[i];
  return load_half(buffer);
}

INLINE void store_half_part(uint16_t *p, vh v, ptrdiff_t count) {
  uint16_t buffer[LANES];
  store_half(buffer, v);
  for (ptrdiff_t i = 0; i < count; i++) p[i] = buffer[i];
}

INLINE vf as_float(vi v) { return (vf)v; }
INLINE vi as_int(vf v) { return (vi)v; }
INLINE vf to_float(vi v) { return __builtin_convertvector(v, vf); }
INLINE vf larger(vf a, vf b) { return a > b ? a : b; }
INLINE vf smaller(vf a, vf b) { return a < b ? a : b; }

INLINE float largest_lane(vf v) {
  float best = v[0];
  for (int i = 1; i < LANES; i++) best = v[i] > best ? v[i] : best;
  return best;
}

INLINE float smallest_lane(vf v) {
  float best = v[0];
  for (int i = 1; i < LANES; i++) best = v[i] < best ? v[i] : best;
  return best;
}

/// The sum of the lanes by halves: lane i with lane i + LANES/2, and so on.
INLINE float sum_lanes(vf v) {
#if LANES == 16
  typedef float v8 __attribute__((ext_vector_type(8)));
  v8 w = v.lo + v.hi;
#else
  __auto_type w = v;
#endif
#if LANES >= 8
  typedef float v4 __attribute__((ext_vector_type(4)));
  v4 x = w.lo + w.hi;
#else
  __auto_type x = w;
#endif
  return (x[0] + x[2]) + (x[1] + x[3]);
}

// MARK: - Transpose

// Two rounds of interleaving transpose 4×4 tiles inside the 128-bit lanes; wider vectors then
// exchange whole lanes. No shuffle but the lane exchange crosses a 128-bit border.
#define SHUFFLE __builtin_shufflevector
#if LANES == 4
#define EVERY_LANE(a, b, i, j, k, l) SHUFFLE(a, b, i, j, k, l)
#elif LANES == 8
#define EVERY_LANE(a, b, i, j, k, l) SHUFFLE(a, b, i, j, k, l, i + 4, j + 4, k + 4, l + 4)
#else
#define EVERY_LANE(a, b, i, j, k, l)                                                        \
  SHUFFLE(a, b, i, j, k, l, i + 4, j + 4, k + 4, l + 4, i + 8, j + 8, k + 8, l + 8, i + 12, \
          j + 12, k + 12, l + 12)
#endif

INLINE void transpose(vf r[LANES]) {
  vf t[LANES];
  for (int i = 0; i < LANES; i += 2) {
    t[i] = EVERY_LANE(r[i], r[i + 1], 0, LANES, 1, LANES + 1);
    t[i + 1] = EVERY_LANE(r[i], r[i + 1], 2, LANES + 2, 3, LANES + 3);
  }
  for (int i = 0; i < LANES; i += 4) {
    r[i] = EVERY_LANE(t[i], t[i + 2], 0, 1, LANES, LANES + 1);
    r[i + 1] = EVERY_LANE(t[i], t[i + 2], 2, 3, LANES + 2, LANES + 3);
    r[i + 2] = EVERY_LANE(t[i + 1], t[i + 3], 0, 1, LANES, LANES + 1);
    r[i + 3] = EVERY_LANE(t[i + 1], t[i + 3], 2, 3, LANES + 2, LANES + 3);
  }
#if LANES == 8
  for (int c = 0; c < 4; c++) {
    vf low = r[c], high = r[c + 4];
    r[c] = SHUFFLE(low, high, 0, 1, 2, 3, 8, 9, 10, 11);
    r[c + 4] = SHUFFLE(low, high, 4, 5, 6, 7, 12, 13, 14, 15);
  }
#elif LANES == 16
  for (int c = 0; c < 4; c++) {
    vf a = SHUFFLE(r[c], r[c + 4], 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23);
    vf b = SHUFFLE(r[c + 8], r[c + 12], 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23);
    vf d = SHUFFLE(r[c], r[c + 4], 8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, 31);
    vf e =
        SHUFFLE(r[c + 8], r[c + 12], 8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, 31);
    r[c] = SHUFFLE(a, b, 0, 1, 2, 3, 8, 9, 10, 11, 16, 17, 18, 19, 24, 25, 26, 27);
    r[c + 4] = SHUFFLE(a, b, 4, 5, 6, 7, 12, 13, 14, 15, 20, 21, 22, 23, 28, 29, 30, 31);
    r[c + 8] = SHUFFLE(d, e, 0, 1, 2, 3, 8, 9, 10, 11, 16, 17, 18, 19, 24, 25, 26, 27);
    r[c + 12] = SHUFFLE(d, e, 4, 5, 6, 7, 12, 13, 14, 15, 20, 21, 22, 23, 28, 29, 30, 31);
  }
#endif
}
