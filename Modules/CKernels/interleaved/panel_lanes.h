// The vectors of panels, one lane for each row of W. With AVX-512 each is two registers, so that a quad
// that was loaded serves both.

#if defined(HAS_DPBUSD)
#define PANEL_ROWS 32
typedef uint8_t panel_bytes __attribute__((ext_vector_type(128)));
typedef int32_t panel_ints __attribute__((ext_vector_type(32)));
typedef float panel_floats __attribute__((ext_vector_type(32)));
typedef panel_ints panel_partial;
#else
#define PANEL_ROWS 8
typedef bytes panel_bytes;
typedef ints panel_ints;
typedef floats panel_floats;
typedef partial panel_partial;
#endif

INLINE panel_bytes load_panel_line(const uint8_t *p) {
  panel_bytes v;
  memcpy(&v, p, sizeof v);
  return v;
}

INLINE panel_floats load_panel_floats(const float *p) {
  panel_floats v;
  memcpy(&v, p, sizeof v);
  return v;
}

INLINE void store_panel_floats(float *p, panel_floats v) { memcpy(p, &v, sizeof v); }

INLINE panel_floats to_panel_floats(panel_ints v) {
  return __builtin_convertvector(v, panel_floats);
}

#if defined(HAS_DPBUSD)
/// sum + the products of half a line with a quad in all lanes.
INLINE __m512i add_half(int bits, __m512i sum, __m512i line, __m512i quads) {
  if (bits > 5) {
    __mmask64 isNegative = _mm512_movepi8_mask(line);
    line = _mm512_abs_epi8(line);
    quads = _mm512_mask_sub_epi8(quads, isNegative, _mm512_setzero_si512(), quads);
  }
  return _mm512_dpbusd_epi32(sum, line, quads);
}
#endif

/// sum + the products of a line with the quad at `x`.
INLINE panel_partial add_panel_products(int bits, panel_partial sum, panel_bytes w,
                                        const int8_t *x) {
#if defined(HAS_DPBUSD)
  typedef int32_t half __attribute__((ext_vector_type(16)));
  int32_t quad;
  memcpy(&quad, x, 4);
  __m512i quads = _mm512_set1_epi32(quad);
  sum.lo = (half)add_half(bits, (__m512i)sum.lo, (__m512i)w.lo, quads);
  sum.hi = (half)add_half(bits, (__m512i)sum.hi, (__m512i)w.hi, quads);
  return sum;
#else
  return add_products(bits, sum, w, quad(x));
#endif
}

INLINE panel_ints widen_panel(panel_partial sum) {
#if defined(HAS_DPBUSD)
  return sum;
#else
  return widen(sum);
#endif
}
