// Vectors of 256 bits, and the two instructions that low-bit products live on: products of bytes
// summed by fours, and look-ups in sixteen bytes.
//
// This file and its neighbours are included once per instruction set by interleaved_*.c, which define
// at most one of
//   HAS_MADDUBS  AVX2: pairs of products in 16 bits, which saturate
//   HAS_DPBUSD   AVX-512 VNNI: four products in 32 bits
//   HAS_SDOT     NEON with dot products
// and compile the inclusion for that set. Elsewhere the compiler makes what it can of the vectors.
#define INLINE static inline __attribute__((always_inline))

typedef uint8_t bytes __attribute__((ext_vector_type(32)));
typedef int8_t signed_bytes __attribute__((ext_vector_type(32)));
typedef int8_t eight_bytes __attribute__((ext_vector_type(8)));
typedef int16_t shorts __attribute__((ext_vector_type(16)));
typedef int32_t ints __attribute__((ext_vector_type(8)));
typedef uint32_t words __attribute__((ext_vector_type(8)));
typedef float floats __attribute__((ext_vector_type(8)));

INLINE bytes load_bytes(const uint8_t *p) {
  bytes v;
  memcpy(&v, p, sizeof v);
  return v;
}

INLINE floats load_floats(const float *p) {
  floats v;
  memcpy(&v, p, sizeof v);
  return v;
}

INLINE void store_floats(float *p, floats v) { memcpy(p, &v, sizeof v); }

INLINE floats to_floats(ints v) { return __builtin_convertvector(v, floats); }

INLINE ints to_ints(const uint8_t *p) {
  typedef uint8_t eight __attribute__((ext_vector_type(8)));
  eight v;
  memcpy(&v, p, 8);
  return __builtin_convertvector(v, ints);
}

INLINE ints to_signed_ints(const uint8_t *p) {
  eight_bytes v;
  memcpy(&v, p, 8);
  return __builtin_convertvector(v, ints);
}

/// Eight binary16 numbers.
INLINE floats load_halves(const uint8_t *p) {
#if defined(HAS_MADDUBS) || defined(HAS_DPBUSD)
  return _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)p));
#elif defined(__aarch64__)
  typedef __fp16 halves __attribute__((ext_vector_type(8)));
  halves v;
  memcpy(&v, p, sizeof v);
  return __builtin_convertvector(v, floats);
#else
  typedef uint16_t eight __attribute__((ext_vector_type(8)));
  eight v;
  memcpy(&v, p, sizeof v);
  words w = __builtin_convertvector(v, words);
  floats size = (floats)((w & 0x7fff) << 13) * 0x1p112f;
  return (floats)((words)size | (w & 0x8000) << 16);
#endif
}

INLINE floats larger(floats a, floats b) { return a > b ? a : b; }
INLINE floats smaller(floats a, floats b) { return a < b ? a : b; }

/// The integers nearest to numbers of at most 2²².
INLINE ints round_to_ints(floats v) { return (ints)(v + 12582912.0f) - 0x4b400000; }

/// The four bytes at `x` eight times.
INLINE signed_bytes quad(const int8_t *x) {
  int32_t v;
  memcpy(&v, x, 4);
  return (signed_bytes)(ints)v;
}

// MARK: - Products of bytes

// Partial sums take so many products of a line before they must be widened. Unsigned codes of up to
// 4 bits: 8 · 2 · 15 · 127 < 2¹⁵; of 5 bits: 4 · 2 · 31 · 127 < 2¹⁵. Signed ones are 8-bit codes less 128, or 6-bit codes less 32
// (4 · 2 · 32 · 127 < 2¹⁵).
#if defined(HAS_MADDUBS)
typedef shorts partial;
#define QUADS_OF(bits) ((bits) <= 4 ? 8 : (bits) <= 6 ? 4 : 1)

INLINE partial add_products(int bits, partial sum, bytes w, signed_bytes x) {
  if (bits <= 5) return sum + (shorts)_mm256_maddubs_epi16((__m256i)w, (__m256i)x);
  __m256i size = _mm256_abs_epi8((__m256i)w), turned = _mm256_sign_epi8((__m256i)x, (__m256i)w);
  return sum + (shorts)_mm256_maddubs_epi16(size, turned);
}

INLINE ints widen(partial sum) {
  return (ints)_mm256_madd_epi16((__m256i)sum, _mm256_set1_epi16(1));
}
#else
typedef ints partial;
#define QUADS_OF(bits) 8

INLINE partial add_products(int bits, partial sum, bytes w, signed_bytes x) {
#if defined(HAS_DPBUSD)
  if (bits <= 5) return (ints)_mm256_dpbusd_epi32((__m256i)sum, (__m256i)w, (__m256i)x);
  __m256i size = _mm256_abs_epi8((__m256i)w), turned = _mm256_sign_epi8((__m256i)x, (__m256i)w);
  return (ints)_mm256_dpbusd_epi32((__m256i)sum, size, turned);
#elif defined(HAS_SDOT)
  (void)bits;
  int32x4_t low = vdotq_s32(sum.lo, (int8x16_t)w.lo, (int8x16_t)x.lo);
  int32x4_t high = vdotq_s32(sum.hi, (int8x16_t)w.hi, (int8x16_t)x.hi);
  ints result;
  result.lo = low;
  result.hi = high;
  return result;
#else
  (void)bits;
  typedef int16_t many __attribute__((ext_vector_type(32)));
  typedef int32_t pairs __attribute__((ext_vector_type(16)));
  many products = __builtin_convertvector((signed_bytes)w, many) *
                  __builtin_convertvector(x, many);
  pairs two = __builtin_convertvector(products.even, pairs) +
              __builtin_convertvector(products.odd, pairs);
  return sum + two.even + two.odd;
#endif
}

INLINE ints widen(partial sum) { return sum; }
#endif

// MARK: - Look-ups

/// table[index] for indices below 16, the same sixteen bytes for all.
INLINE bytes look_up(const uint8_t *table, bytes index) {
#if defined(HAS_MADDUBS) || defined(HAS_DPBUSD)
  __m256i both = _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)table));
  return (bytes)_mm256_shuffle_epi8(both, (__m256i)index);
#elif defined(__aarch64__)
  uint8x16_t entries = vld1q_u8(table);
  bytes result;
  result.lo = vqtbl1q_u8(entries, index.lo);
  result.hi = vqtbl1q_u8(entries, index.hi);
  return result;
#else
  bytes result;
  for (int i = 0; i < 32; i++) result[i] = table[index[i]];
  return result;
#endif
}

/// For each of sixteen pairs of bytes: first + 2 · second.
INLINE shorts add_planes(bytes v) {
#if defined(HAS_MADDUBS) || defined(HAS_DPBUSD)
  return (shorts)_mm256_maddubs_epi16((__m256i)v, _mm256_set1_epi16(0x0201));
#else
  shorts pairs = (shorts)v;
  return (pairs & 0xff) + 2 * ((pairs >> 8) & 0xff);
#endif
}

/// The second bytes of sixteen pairs. A multiplication: shifts share their units with look-ups.
INLINE shorts odd_bytes(bytes v) {
#if defined(HAS_MADDUBS) || defined(HAS_DPBUSD)
  return (shorts)_mm256_maddubs_epi16((__m256i)v, _mm256_set1_epi16(0x0100));
#else
  return ((shorts)v >> 8) & 0xff;
#endif
}

/// The first bytes of sixteen pairs.
INLINE shorts even_bytes(bytes v) { return (shorts)v & 0xff; }
