// A band of rows times one row of x: what decoding a token runs on.
//
// Everything is read once, in order; the memory sets the pace, so what counts is to ask for it in
// time and to keep the arithmetic below it.

/// Bytes: 2048 were a sixth faster than 1024 on Zen 3, 4096 no more. On Zen 5 12288 are a quarter
/// faster than 4096 for codes of 4 bits, a third for 2 bits and signs; 16384 lose that for signs.
#if defined(HAS_DPBUSD)
#define AHEAD 12288
#else
#define AHEAD 2048
#endif

INLINE void fetch(const uint8_t *p, int count) {
  for (int i = 0; i < count; i += 64) __builtin_prefetch(p + AHEAD + i, 0, 3);
}

/// The product of a unit with its scale and offset, added to two sums that do not wait for each other.
INLINE void add_unit(int bits, int kind, const ck_interleaved *m, group_header h, const uint8_t *p,
                     const int8_t *x, float step, float total, floats sum[2]) {
  bytes lines[8];
  unpack_unit(bits, p, lines);
  floats value = to_floats(dot_quads(bits, lines, 0, 8, x)) * step;
  if (kind == CK_SCALES_HALF) {
    value -= (float)line_zero(bits, m) * total;
    sum[0] += value * h.scale;
  } else {
    sum[0] += value * h.scale;
    sum[1] += line_offset(bits, kind, h) * total;
  }
}

/// Codes of 3, 4, 5 and 8 bits with scales of units.
INLINE void unit_band(int bits, int kind, const ck_interleaved *m, const uint8_t *p,
                      const ck_arranged *x, ptrdiff_t index, float *out) {
  const ptrdiff_t header = HEADER_BYTES(kind, 8), size = header + 32 * bits;
  ptrdiff_t units = x->units, unit = 0;
  const int8_t *codes = x->codes + index * units * CK_UNIT;
  const float *steps = x->steps + index * units, *sums = x->sums + index * units;
  floats even[2] = {0, 0}, odd[2] = {0, 0};
  for (; unit + 2 <= units; unit += 2, p += 2 * size) {
    fetch(p, 2 * (int)size);
    add_unit(bits, kind, m, read_header(kind, p, 8, 0, 0), p + header, codes + unit * CK_UNIT,
             steps[unit], sums[unit], even);
    add_unit(bits, kind, m, read_header(kind, p + size, 8, 0, 0), p + size + header,
             codes + (unit + 1) * CK_UNIT, steps[unit + 1], sums[unit + 1], odd);
  }
  if (unit < units) {
    add_unit(bits, kind, m, read_header(kind, p, 8, 0, 0), p + header, codes + unit * CK_UNIT,
             steps[unit], sums[unit], even);
  }
  store_floats(out, (even[0] + odd[0]) + (even[1] + odd[1]));
}

/// Codes of 3, 4, 5 and 8 bits with scales of groups.
INLINE void uniform_band(int bits, int kind, const ck_interleaved *m, const uint8_t *p,
                         const ck_arranged *x, ptrdiff_t index, float *out) {
  if (m->group_size == CK_UNIT) {
    unit_band(bits, kind, m, p, x, index, out);
    return;
  }
  ptrdiff_t units = x->units, unit = 0, groups = ck_groups(m);
  const int8_t *codes = x->codes + index * units * CK_UNIT;
  const float *steps = x->steps + index * units, *sums = x->sums + index * units;
  floats sum = 0;
  for (ptrdiff_t group = 0; group < groups; group++) {
    group_header h = read_header(kind, p, 8, 0, line_zero(bits, m));
    floats offset = line_offset(bits, kind, h), part = 0;
    float total = 0;
    p += HEADER_BYTES(kind, 8);
    ptrdiff_t end = ck_group_end(m, group, units);
    for (; unit < end; unit++, p += 32 * bits) {
      bytes lines[8];
      fetch(p, 32 * bits);
      unpack_unit(bits, p, lines);
      part += to_floats(dot_quads(bits, lines, 0, 8, codes + unit * CK_UNIT)) * steps[unit];
      total += sums[unit];
    }
    sum += part * h.scale;
    sum += offset * total;
  }
  store_floats(out, sum);
}

/// Q4_K, Q5_K: a scale and an offset for each unit.
INLINE void band_4k(int bits, const uint8_t *p, const ck_arranged *x, ptrdiff_t index, float *out) {
  const int size = 16 + 32 * bits;
  ptrdiff_t units = x->units;
  const int8_t *codes = x->codes + index * units * CK_UNIT;
  const float *steps = x->steps + index * units, *sums = x->sums + index * units;
  floats sum = 0;
  for (ptrdiff_t unit = 0; unit < units;) {
    group_header h = read_header(CK_SCALES_4K, p, 8, 0, 0);
    floats part = 0, total = 0;
    p += HEADER_BYTES(CK_SCALES_4K, 8);
    ptrdiff_t end = unit + 8 < units ? unit + 8 : units;
    for (; unit < end; unit++, p += size) {
      bytes lines[8];
      fetch(p, size);
      unpack_unit(bits, p + 16, lines);
      floats value = to_floats(dot_quads(bits, lines, 0, 8, codes + unit * CK_UNIT)) * steps[unit];
      part += value * to_floats(to_ints(p));
      total += to_floats(to_ints(p + 8)) * sums[unit];
    }
    sum += part * h.scale;
    sum -= total * h.offset;
  }
  store_floats(out, sum);
}

/// Q3_K, Q6_K: a scale for each half of a unit.
INLINE void band_6k(int bits, const uint8_t *p, const ck_arranged *x, ptrdiff_t index, float *out) {
  const int size = 16 + 32 * bits;
  ptrdiff_t units = x->units;
  const int8_t *codes = x->codes + index * units * CK_UNIT;
  const float *steps = x->steps + index * units;
  floats sum = 0;
  for (ptrdiff_t unit = 0; unit < units;) {
    floats scale = load_halves(p), part = 0;
    p += HEADER_BYTES(CK_SCALES_6K, 8);
    ptrdiff_t end = unit + 8 < units ? unit + 8 : units;
    for (; unit < end; unit++, p += size) {
      bytes lines[8];
      fetch(p, size);
      unpack_signed_unit(bits, p + 16, lines);
      const int8_t *quads = codes + unit * CK_UNIT;
      ints lower = dot_quads(SIGNED_BITS, lines, 0, 4, quads);
      ints upper = dot_quads(SIGNED_BITS, lines, 4, 4, quads);
      floats value = to_floats(lower) * to_floats(to_signed_ints(p));
      value += to_floats(upper) * to_floats(to_signed_ints(p + 8));
      part += value * steps[unit];
    }
    sum += part * scale;
  }
  store_floats(out, sum);
}

// MARK: - Tables

#if defined(HAS_DPBUSD)
/// Two lines at once: the entries that the nibbles of lines 2i and 2i + 1 choose from the tables of
/// their quads.
INLINE void look_up_lines(const uint8_t *p, const uint8_t *tables, int i, __m512i *low,
                          __m512i *high) {
  const __m512i nibble = _mm512_set1_epi8(15);
  __m512i v = _mm512_loadu_si512(p + 64 * i), four = _mm512_loadu_si512(tables + 64 * i);
  __m512i lower = _mm512_shuffle_i64x2(four, four, 0xa0);  // tables 0, 0, 2, 2
  __m512i upper = _mm512_shuffle_i64x2(four, four, 0xf5);  // tables 1, 1, 3, 3
  *low = _mm512_shuffle_epi8(lower, _mm512_and_si512(v, nibble));
  *high = _mm512_shuffle_epi8(upper, _mm512_and_si512(_mm512_srli_epi16(v, 4), nibble));
}

/// The two halves of a vector, added.
INLINE shorts add_halves(__m512i v) {
  return (shorts)_mm256_add_epi16(_mm512_castsi512_si256(v), _mm512_extracti64x4_epi64(v, 1));
}
#endif

/// The sums of eight quads of sixteen rows, plane 0 + 2 · plane 1, by look-up.
INLINE void look_up_unit(const uint8_t *p, const uint8_t *tables, floats part[2], float step) {
#if defined(HAS_DPBUSD)
  const __m512i planes = _mm512_set1_epi16(0x0201);
  __m512i sum = _mm512_setzero_si512();
  for (int i = 0; i < 2; i++) {
    __m512i low, high;
    look_up_lines(p, tables, i, &low, &high);
    sum = _mm512_add_epi16(sum, _mm512_add_epi16(_mm512_maddubs_epi16(low, planes),
                                                 _mm512_maddubs_epi16(high, planes)));
  }
  shorts a = add_halves(sum) - (int16_t)(8 * 3 * 128);
#else
  shorts a = 0, b = 0;
  for (int i = 0; i < 4; i++) {
    bytes v = load_bytes(p + 32 * i);
    a += add_planes(look_up(tables + 32 * i, v & 15));
    b += add_planes(look_up(tables + 32 * i + 16, v >> 4));
  }
  a += b - (int16_t)(8 * 3 * 128);
#endif
  typedef int16_t eight __attribute__((ext_vector_type(8)));
  part[0] += to_floats(__builtin_convertvector((eight)a.lo, ints)) * step;
  part[1] += to_floats(__builtin_convertvector((eight)a.hi, ints)) * step;
}

/// Two bits: with S_p the signed sums of plane p, w · x = s/2 · (S₀ + 2 S₁) + (3/2 s + offset) · Σx.
INLINE void band_of_2(int kind, const ck_interleaved *m, const uint8_t *p, const ck_arranged *x,
                      ptrdiff_t index, float *out) {
  ptrdiff_t units = x->units, unit = 0, groups = ck_groups(m);
  const uint8_t *tables = x->tables + index * units * 128;
  const float *steps = x->table_steps + index * units, *sums = x->table_sums + index * units;
  floats low = 0, high = 0;
  for (ptrdiff_t group = 0; group < groups; group++) {
    group_header a = read_header(kind, p, 16, 0, m->zero);
    group_header b = read_header(kind, p, 16, 8, m->zero);
    floats part[2] = {0, 0};
    float total = 0;
    p += HEADER_BYTES(kind, 16);
    ptrdiff_t end = ck_group_end(m, group, units);
    for (; unit < end; unit++, p += 128) {
      fetch(p, 128);
      look_up_unit(p, tables + unit * 128, part, steps[unit]);
      total += sums[unit];
    }
    low += part[0] * (a.scale * 0.5f) + (a.scale * 1.5f + a.offset) * total;
    high += part[1] * (b.scale * 0.5f) + (b.scale * 1.5f + b.offset) * total;
  }
  store_floats(out, low);
  store_floats(out + 8, high);
}

/// The signed sums of one plane of a unit, for 32 rows.
INLINE void look_up_signs(const uint8_t *p, const uint8_t *tables, floats part[4], float step) {
#if defined(HAS_DPBUSD)
  const __m512i first = _mm512_set1_epi16(0x0001), second = _mm512_set1_epi16(0x0100);
  __m512i evens = _mm512_setzero_si512(), odds = evens;
  for (int i = 0; i < 2; i++) {
    __m512i low, high;
    look_up_lines(p, tables, i, &low, &high);
    evens = _mm512_add_epi16(evens, _mm512_add_epi16(_mm512_maddubs_epi16(low, first),
                                                     _mm512_maddubs_epi16(high, first)));
    odds = _mm512_add_epi16(odds, _mm512_add_epi16(_mm512_maddubs_epi16(low, second),
                                                   _mm512_maddubs_epi16(high, second)));
  }
  shorts even = add_halves(evens), odd = add_halves(odds);
#else
  shorts even = 0, odd = 0;
  for (int i = 0; i < 4; i++) {
    bytes v = load_bytes(p + 32 * i);
    bytes a = look_up(tables + 32 * i, v & 15), b = look_up(tables + 32 * i + 16, v >> 4);
    even += even_bytes(a) + even_bytes(b);
    odd += odd_bytes(a) + odd_bytes(b);
  }
#endif
  typedef int16_t eight __attribute__((ext_vector_type(8)));
  even -= 8 * 128;
  odd -= 8 * 128;
  part[0] += to_floats(__builtin_convertvector((eight)even.lo, ints)) * step;
  part[1] += to_floats(__builtin_convertvector((eight)even.hi, ints)) * step;
  part[2] += to_floats(__builtin_convertvector((eight)odd.lo, ints)) * step;
  part[3] += to_floats(__builtin_convertvector((eight)odd.hi, ints)) * step;
}

INLINE floats header_floats(bool is_half, const uint8_t *p, ptrdiff_t index) {
  floats v;
  if (is_half) return load_halves(p + 2 * index);
  memcpy(&v, p + 4 * index, sizeof v);
  return v;
}

/// Units whose planes are summed before their scales are applied.
#define SIGN_RUN 4

/// Signs: w · x = Σ_p α_p S_p + offset · Σx. The planes of a unit lie one after the other.
INLINE void band_of_signs(bool is_half, int planes, const ck_interleaved *m, const uint8_t *p,
                          const ck_arranged *x, ptrdiff_t index, float *out) {
  ptrdiff_t units = x->units, unit = 0, groups = ck_groups(m);
  const uint8_t *tables = x->tables + index * units * 128;
  const float *steps = x->table_steps + index * units, *sums = x->table_sums + index * units;
  floats sum[4] = {0, 0, 0, 0};
  for (ptrdiff_t group = 0; group < groups; group++) {
    const uint8_t *header = p;
    float total = 0;
    p += 32 * (planes + 1) * (is_half ? 2 : 4);
    ptrdiff_t end = ck_group_end(m, group, units), stop;
    for (; unit < end; p += 128 * planes * (stop - unit), unit = stop) {
      stop = end - unit < SIGN_RUN ? end : unit + SIGN_RUN;
      for (int plane = 0; plane < planes; plane++) {
        floats part[4] = {0, 0, 0, 0};
        const uint8_t *codes = p + 128 * plane;
        for (ptrdiff_t i = unit; i < stop; i++, codes += 128 * planes) {
          fetch(codes, 128);
          look_up_signs(codes, tables + i * 128, part, steps[i]);
        }
        for (int i = 0; i < 4; i++) {
          sum[i] += part[i] * header_floats(is_half, header, 32 * plane + 8 * i);
        }
      }
      for (ptrdiff_t i = unit; i < stop; i++) total += sums[i];
    }
    for (int i = 0; i < 4; i++) {
      sum[i] += header_floats(is_half, header, 32 * planes + 8 * i) * total;
    }
  }
  for (int i = 0; i < 4; i++) store_floats(out + 8 * i, sum[i]);
}

// MARK: - Choice

#define EACH_KIND(call)                                                              \
  switch (m->scales) {                                                               \
    case CK_SCALES_HALF: call(CK_SCALES_HALF); return;                               \
    case CK_SCALES_HALF_ZEROS: call(CK_SCALES_HALF_ZEROS); return;                   \
    case CK_SCALES_HALF_OFFSETS: call(CK_SCALES_HALF_OFFSETS); return;               \
    default: call(CK_SCALES_FLOAT); return;                                          \
  }

#define SIGNS(planes)                                              \
  case planes:                                                     \
    if (m->scales == CK_SCALES_FLOAT) {                            \
      band_of_signs(false, planes, m, band, x, index, out);        \
    } else {                                                       \
      band_of_signs(true, planes, m, band, x, index, out);         \
    }                                                              \
    return;

static void multiply_signs(const ck_interleaved *m, const uint8_t *band, const ck_arranged *x,
                           ptrdiff_t index, float *out) {
  switch (m->planes) {
    SIGNS(1) SIGNS(2) SIGNS(3) SIGNS(4)
    default: band_of_signs(m->scales != CK_SCALES_FLOAT, m->planes, m, band, x, index, out);
  }
}

static void multiply_band(const ck_interleaved *m, const uint8_t *band, const ck_arranged *x,
                          ptrdiff_t index, float *out) {
#define OF_2(kind) band_of_2(kind, m, band, x, index, out)
#define OF_3(kind) uniform_band(3, kind, m, band, x, index, out)
#define OF_4(kind) uniform_band(4, kind, m, band, x, index, out)
#define OF_5(kind) uniform_band(5, kind, m, band, x, index, out)
#define OF_8(kind) uniform_band(8, kind, m, band, x, index, out)
  switch (m->codes) {
    case CK_SIGNS: multiply_signs(m, band, x, index, out); return;
    case CK_CODES_2: EACH_KIND(OF_2)
    case CK_CODES_3:
      if (m->scales == CK_SCALES_6K) {
        band_6k(3, band, x, index, out);
        return;
      }
      EACH_KIND(OF_3)
    case CK_CODES_4:
      if (m->scales == CK_SCALES_4K) {
        band_4k(4, band, x, index, out);
        return;
      }
      EACH_KIND(OF_4)
    case CK_CODES_5:
      if (m->scales == CK_SCALES_4K) {
        band_4k(5, band, x, index, out);
        return;
      }
      EACH_KIND(OF_5)
    case CK_CODES_6: band_6k(6, band, x, index, out); return;
    case CK_CODES_8: EACH_KIND(OF_8)
  }
#undef OF_2
#undef OF_3
#undef OF_4
#undef OF_5
#undef OF_8
}
