// Between float32 and the two 16-bit formats, to nearest even, the same bits in every table.
//
// AVX2 and AVX-512 have instructions for float16; the baseline does it in integers. Overflow
// becomes infinity, NaN keeps its sign and the top of its payload and becomes quiet.

INLINE vf widen_bfloat16(vh x) { return (vf)(__builtin_convertvector(x, vu) << 16); }

INLINE vh narrow_bfloat16(vf x) {
  vu bits = (vu)x;
  vu rounded = bits + 0x7fff + ((bits >> 16) & 1), quiet = bits | 0x400000;
  vi is_nan = x != x;
  return __builtin_convertvector(((vu)is_nan ? quiet : rounded) >> 16, vh);
}

#if LANES == 16
INLINE vf widen_float16(vh x) { return _mm512_cvtph_ps((__m256i)x); }
INLINE vh narrow_float16(vf x) { return (vh)_mm512_cvtps_ph(x, _MM_FROUND_TO_NEAREST_INT); }
#elif LANES == 8
INLINE vf widen_float16(vh x) { return _mm256_cvtph_ps((__m128i)x); }
INLINE vh narrow_float16(vf x) { return (vh)_mm256_cvtps_ph(x, _MM_FROUND_TO_NEAREST_INT); }
#else
INLINE vf widen_float16(vh x) {
  vu bits = __builtin_convertvector(x, vu), sign = (bits & 0x8000) << 16;
  vu magnitude = (bits & 0x7fff) << 13;
  // As a float the shifted bits are 2¹¹² too small, subnormals included.
  vu finite = (vu)((vf)magnitude * 0x1p112f);
  vu special = magnitude | 0x7f800000 | (magnitude > 0x0f800000 ? (vu)0x400000 : (vu)0);
  return (vf)(sign | (magnitude >= 0x0f800000 ? special : finite));
}

INLINE vh narrow_float16(vf x) {
  vu bits = (vu)x, sign = (bits >> 16) & 0x8000;
  bits &= 0x7fffffff;
  vu normal = (bits + 0xfff + ((bits >> 13) & 1) - 0x38000000) >> 13;
  // Adding 0.5 moves the last bit of a subnormal half to the last bit of the sum, which rounds it.
  vu subnormal = (vu)((vf)bits + 0.5f) - 0x3f000000;
  vu nan = 0x7e00 | ((bits >> 13) & 0x3ff);
  vu half = bits < 0x38800000 ? subnormal : normal;
  half = bits >= 0x47800000 ? (vu)0x7c00 : half;
  half = bits > 0x7f800000 ? nan : half;
  return __builtin_convertvector(sign | half, vh);
}
#endif

#define WIDEN(name, convert)                                                      \
  static void kernel_##name(ptrdiff_t n, const uint16_t *x, float *out) {         \
    ptrdiff_t i = 0;                                                              \
    for (; i + LANES <= n; i += LANES) store(out + i, convert(load_half(x + i))); \
    if (i < n) store_part(out + i, convert(load_half_part(x + i, n - i)), n - i); \
  }

#define NARROW(name, convert)                                                     \
  static void kernel_##name(ptrdiff_t n, const float *x, uint16_t *out) {         \
    ptrdiff_t i = 0;                                                              \
    for (; i + LANES <= n; i += LANES) store_half(out + i, convert(load(x + i))); \
    if (i < n) store_half_part(out + i, convert(load_part(x + i, n - i)), n - i); \
  }

WIDEN(float16_to_float32, widen_float16)
WIDEN(bfloat16_to_float32, widen_bfloat16)
NARROW(float32_to_float16, narrow_float16)
NARROW(float32_to_bfloat16, narrow_bfloat16)
#undef WIDEN
#undef NARROW
