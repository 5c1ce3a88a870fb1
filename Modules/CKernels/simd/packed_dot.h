// Packed rows times one vector, without expanding them.
//
// Eight codes are `bits` bytes. A block is 8 · LANES codes: lane j takes the 32 bits (two times 32
// above four bits) that hold codes 8j … 8j + 7, once per block, and step t shifts code t of every
// lane into place. So a step costs a shift, a look-up in a table of sixteen floats and a
// multiply-add (AVX-512, up to four bits), or two shifts, a conversion and a multiply-add. The
// vector is arranged to match, once per product: element 8j + t of a block at t · LANES + j.
//
// Codes count from the middle of their range, so that symmetric weights need no zero point; others
// subtract (zero − middle) · Σx, with Σx per lane arranged behind the block. A lane lies in one
// group when group sizes are multiples of eight; a block's scales are then one broadcast, or one
// permutation of a few scales when several groups share a block.
//
// Measured from L2 on one Zen 5 core, rows of 2048: 57 · 10⁹ weights per second at 4 bits, 40 at 2
// and 3, 27 to 29 above.
#define BLOCK_CODES (8 * LANES)
/// Floats of an arranged block: the elements and their sums per lane.
#define BLOCK_FLOATS (9 * LANES)
/// Bytes that loading a block's codes may touch.
#define BLOCK_BYTES(bits) ((bits) * LANES + 16)

static ptrdiff_t arranged_floats(const ck_rows *rows) {
  bool one_group = rows->scale_stride == 0 || rows->group_size >= rows->column_count;
  bool divides = rows->group_size >= 8 &&
                 (BLOCK_CODES % rows->group_size == 0 || rows->group_size % BLOCK_CODES == 0);
  if (rows->storage != CK_PACKED || !(one_group || divides)) return 0;
  return (rows->column_count + BLOCK_CODES - 1) / BLOCK_CODES * BLOCK_FLOATS;
}

static void arrange(ptrdiff_t n, const float *x, float *out) {
  for (ptrdiff_t start = 0; start < n; start += BLOCK_CODES, out += BLOCK_FLOATS) {
    memset(out, 0, BLOCK_FLOATS * sizeof(float));
    ptrdiff_t count = n - start < BLOCK_CODES ? n - start : BLOCK_CODES;
    for (ptrdiff_t i = 0; i < count; i++) out[i % 8 * LANES + i / 8] = x[start + i];
    vf sum = 0;
    for (int t = 0; t < 8; t++) sum += load(out + t * LANES);
    store(out + 8 * LANES, sum);
  }
}

// MARK: - Codes into lanes

#if LANES >= 8
/// For each 128-bit lane, 16 bytes from `bytes` + lane · step.
INLINE vu load_quarters(const uint8_t *bytes, ptrdiff_t step) {
#if LANES == 16
  __m512i v = _mm512_castsi128_si512(_mm_loadu_si128((const __m128i *)bytes));
  v = _mm512_inserti32x4(v, _mm_loadu_si128((const __m128i *)(bytes + step)), 1);
  v = _mm512_inserti32x4(v, _mm_loadu_si128((const __m128i *)(bytes + 2 * step)), 2);
  return (vu)_mm512_inserti32x4(v, _mm_loadu_si128((const __m128i *)(bytes + 3 * step)), 3);
#else
  __m256i v = _mm256_castsi128_si256(_mm_loadu_si128((const __m128i *)bytes));
  return (vu)_mm256_inserti128_si256(v, _mm_loadu_si128((const __m128i *)(bytes + step)), 1);
#endif
}

/// Bytes a … a + 3, b … b + 3, c … c + 3, d … d + 3 of each 128-bit lane; negative: zeros.
INLINE vu pick_bytes(vu v, int a, int b, int c, int d) {
  int starts[4] = {a, b, c, d};
  uint8_t index[4 * LANES];
#pragma clang loop unroll(full)
  for (int i = 0; i < 4 * LANES; i++) {
    int from = starts[i % 16 / 4];
    index[i] = from < 0 ? 0x80 : (uint8_t)((from + i % 4) & 15);
  }
#if LANES == 16
  __m512i order;
  memcpy(&order, index, sizeof order);
  return (vu)_mm512_shuffle_epi8((__m512i)v, order);
#else
  __m256i order;
  memcpy(&order, index, sizeof order);
  return (vu)_mm256_shuffle_epi8((__m256i)v, order);
#endif
}
#endif

/// Lane j: the 32 bits at byte j · bits + offset.
INLINE vu gather_words(const uint8_t *bytes, int bits, int offset) {
  bytes += offset;
  vu v;
  if (bits == 4) {
    memcpy(&v, bytes, sizeof v);
    return v;
  }
#if LANES >= 8
  if (bits < 4) return pick_bytes(load_quarters(bytes, 4 * bits), 0, bits, 2 * bits, 3 * bits);
  // Four lanes span more than 16 bytes: two loads serve two lanes each.
  vu low = pick_bytes(load_quarters(bytes, 4 * bits), 0, bits, -1, -1);
  vu high = pick_bytes(load_quarters(bytes + 2 * bits, 4 * bits), -1, -1, 0, bits);
  return low | high;
#else
  for (int j = 0; j < LANES; j++) {
    uint32_t word;
    memcpy(&word, bytes + j * bits, 4);
    v[j] = word;
  }
  return v;
#endif
}

/// Σ over t of (code t − middle) · x t, per lane; `first` … `first` + count − 1 are in `word` from
/// bit `bit` on.
INLINE vf dot_steps(vu word, int bits, int bit, int first, int count, const float *x, vf sum) {
#if LANES == 16
  if (bits <= 4) {
    vf table;
    for (int j = 0; j < LANES; j++) {
      table[j] = (float)((j & ((1 << bits) - 1)) - (1 << (bits - 1)));
    }
#pragma clang loop unroll(full)
    for (int t = 0; t < count; t++) {
      vu index = word >> (uint32_t)(bit + t * bits);
      sum += (vf)_mm512_permutexvar_ps((__m512i)index, table) * load(x + (first + t) * LANES);
    }
    return sum;
  }
#endif
  uint32_t middles = 0;
  for (int t = 0; t < count; t++) middles |= (uint32_t)1 << (bit + t * bits + bits - 1);
  word ^= middles;  // the top bit of a code becomes the sign of (code − middle)
#pragma clang loop unroll(full)
  for (int t = 0; t < count; t++) {
    vi code = (vi)(word << (uint32_t)(32 - bits - bit - t * bits)) >> (32 - bits);
    sum += to_float(code) * load(x + (first + t) * LANES);
  }
  return sum;
}

INLINE vf dot_block(const uint8_t *bytes, int bits, const float *x) {
  if (bits <= 4) {
    vu word = gather_words(bytes, bits, 0);
    vf even = dot_steps(word, bits, 0, 0, 4, x, (vf)0);
    return even + dot_steps(word, bits, 4 * bits, 4, 4, x, (vf)0);
  }
  vf low = dot_steps(gather_words(bytes, bits, 0), bits, 0, 0, 4, x, (vf)0);
  vu high = gather_words(bytes, bits, 4 * bits / 8);
  return low + dot_steps(high, bits, 4 * bits % 8, 4, 4, x, (vf)0);
}

// MARK: - Rows

/// How the scales of a block lie.
typedef struct {
  ptrdiff_t groups;     // in a row
  ptrdiff_t per_block;  // several groups in a block, or
  ptrdiff_t blocks;     // several blocks in a group
  vi lanes;             // the group of each lane within a block
} scale_layout;

INLINE scale_layout layout_of(const ck_rows *rows) {
  ptrdiff_t n = rows->column_count, size = rows->group_size;
  scale_layout layout = {.groups = 1, .per_block = 1, .blocks = n / BLOCK_CODES + 1, .lanes = 0};
  if (rows->scale_stride == 0 || size >= n) return layout;
  layout.groups = (n + size - 1) / size;
  if (size >= BLOCK_CODES) {
    layout.blocks = size / BLOCK_CODES;
    return layout;
  }
  layout.per_block = BLOCK_CODES / size;
  layout.blocks = 1;
  for (int j = 0; j < LANES; j++) layout.lanes[j] = (int32_t)(j * layout.per_block / LANES);
  return layout;
}

INLINE vf permute(vf v, vi order) {
#if LANES == 16
  return _mm512_permutexvar_ps((__m512i)order, v);
#elif LANES == 8
  return _mm256_permutevar8x32_ps(v, (__m256i)order);
#else
  vf result;
  for (int j = 0; j < LANES; j++) result[j] = v[order[j] & (LANES - 1)];
  return result;
#endif
}

/// The scale (or zero point) of each lane of a block.
INLINE vf lane_values(const float *row, const scale_layout *layout, ptrdiff_t block) {
  if (layout->per_block == 1) return (vf)row[block / layout->blocks];
  ptrdiff_t first = block * layout->per_block, left = layout->groups - first;
  vf values = left >= LANES ? load(row + first) : load_part(row + first, left);
  return permute(values, layout->lanes);
}

INLINE float dot_packed_row(const ck_rows *rows, int bits, ptrdiff_t row, const float *x,
                            const scale_layout *layout) {
  code_row codes = row_of_codes(rows, row);
  ptrdiff_t at = rows->scale_stride ? row * rows->scale_stride : 0;
  const float *scales = rows->scale + at, *zeros = rows->zero ? rows->zero + at : NULL;
  ptrdiff_t blocks = (rows->column_count + BLOCK_CODES - 1) / BLOCK_CODES;
  vf sum = 0;
  for (ptrdiff_t block = 0; block < blocks; block++, x += BLOCK_FLOATS) {
    const uint8_t *bytes = codes.bytes + block * LANES * bits;
    uint8_t buffer[BLOCK_BYTES(8)];
    if (__builtin_expect(codes.end - bytes < BLOCK_BYTES(bits), 0)) {
      memset(buffer, 0, sizeof buffer);
      memcpy(buffer, bytes, (size_t)(codes.end - bytes));
      bytes = buffer;
    }
    vf part = dot_block(bytes, bits, x);
    if (zeros) {
      const float middle = (float)(1 << (bits - 1));
      part -= (lane_values(zeros, layout, block) - middle) * load(x + 8 * LANES);
    }
    sum += lane_values(scales, layout, block) * part;
  }
  return sum_lanes(sum);
}

#define BITS(B)                                                                      \
  static void packed_dots_##B(const ck_rows *rows, ptrdiff_t first, ptrdiff_t count, \
                              const float *x, float *y) {                            \
    scale_layout layout = layout_of(rows);                                           \
    for (ptrdiff_t i = 0; i < count; i++) {                                          \
      y[i] = dot_packed_row(rows, B, first + i, x, &layout);                         \
    }                                                                                \
  }
BITS(1) BITS(2) BITS(3) BITS(4) BITS(5) BITS(6) BITS(7) BITS(8)
#undef BITS

/// y[i] = rows[first + i] · x, with x arranged.
static void arranged_dots(const ck_rows *rows, ptrdiff_t first, ptrdiff_t count, const float *x,
                          float *y) {
  static void (*const functions[])(const ck_rows *, ptrdiff_t, ptrdiff_t, const float *,
                                   float *) = {packed_dots_1, packed_dots_2, packed_dots_3,
                                               packed_dots_4, packed_dots_5, packed_dots_6,
                                               packed_dots_7, packed_dots_8};
  functions[rows->bits - 1](rows, first, count, x, y);
}
