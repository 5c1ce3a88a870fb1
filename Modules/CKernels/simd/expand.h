// Rows of weights in any storage, into floats.
//
// Sixteen codes of b bits are 2b bytes, so that a block always starts on a byte. A shuffle brings
// the two bytes that hold code j to lane j, a variable shift and a mask isolate it: one path for
// every width, with constants that the compiler folds because `bits` is a constant in each copy.
// Without a byte shuffle, eight codes are spread over eight bytes of a 64-bit word in three steps.
#define CODE_BLOCK 16

typedef uint8_t v16b __attribute__((ext_vector_type(16)));

/// Bytes that loading one block may touch.
#define CODE_BLOCK_BYTES 32

#if LANES >= 8
/// LANES codes, in the low bits of the lanes; neighbours' bits above.
INLINE vu shifted_codes(const uint8_t *bytes, int bits) {
  vu shift;
  uint8_t index[4 * LANES];
#pragma clang loop unroll(full)
  for (int j = 0; j < LANES; j++) {
    int first = j * bits / 8;
    shift[j] = (uint32_t)(j * bits % 8);
    index[4 * j] = (uint8_t)first;
    index[4 * j + 1] = (uint8_t)((first + 1) & 15);
    index[4 * j + 2] = index[4 * j + 3] = 0x80;
  }
  __m128i source = _mm_loadu_si128((const __m128i *)bytes);
#if LANES == 16
  __m512i order;
  memcpy(&order, index, sizeof order);
  return (vu)_mm512_shuffle_epi8(_mm512_broadcast_i32x4(source), order) >> shift;
#else
  __m256i order;
  memcpy(&order, index, sizeof order);
  return (vu)_mm256_shuffle_epi8(_mm256_broadcastsi128_si256(source), order) >> shift;
#endif
}
#endif

/// One block of codes as floats.
INLINE void load_codes(const uint8_t *bytes, int bits, vf code[CODE_BLOCK / LANES]) {
#if LANES >= 8
  const uint32_t mask = (1u << bits) - 1;
  for (int j = 0; j < CODE_BLOCK / LANES; j++) {
    code[j] = to_float((vi)(shifted_codes(bytes + j * bits, bits) & mask));
  }
#else
  uint64_t words[2];
  memcpy(&words[0], bytes, 8);
  memcpy(&words[1], bytes + bits, 8);
  words[0] = ck_spread_codes(words[0], bits);
  words[1] = ck_spread_codes(words[1], bits);
  v16b spread;
  memcpy(&spread, words, sizeof spread);
  code[0] = __builtin_convertvector(SHUFFLE(spread, spread, 0, 1, 2, 3), vf);
  code[1] = __builtin_convertvector(SHUFFLE(spread, spread, 4, 5, 6, 7), vf);
  code[2] = __builtin_convertvector(SHUFFLE(spread, spread, 8, 9, 10, 11), vf);
  code[3] = __builtin_convertvector(SHUFFLE(spread, spread, 12, 13, 14, 15), vf);
#endif
}

/// Where a row's codes are, and where reading must stop.
typedef struct {
  const uint8_t *bytes, *end;
} code_row;

INLINE code_row row_of_codes(const ck_rows *rows, ptrdiff_t row) {
  const uint32_t *words = rows->data;
  ptrdiff_t used = (rows->column_count * rows->bits + 31) / 32;
  code_row result = {(const uint8_t *)(words + row * rows->row_stride),
                     (const uint8_t *)(words + (rows->row_count - 1) * rows->row_stride + used)};
  return result;
}

/// The address of a block's bytes, copied to `buffer` when a whole load would pass the end.
INLINE const uint8_t *readable(const uint8_t *bytes, const uint8_t *end, uint8_t *buffer) {
  if (end - bytes >= CODE_BLOCK_BYTES) return bytes;
  memset(buffer, 0, CODE_BLOCK_BYTES);
  if (end > bytes) memcpy(buffer, bytes, (size_t)(end - bytes));
  return buffer;
}

INLINE float code_at(code_row row, ptrdiff_t column, int bits) {
  ptrdiff_t bit = column * bits;
  unsigned window = row.bytes[bit / 8];
  if (bit % 8 + bits > 8) window |= (unsigned)row.bytes[bit / 8 + 1] << 8;
  return (float)((window >> (bit % 8)) & ((1u << bits) - 1));
}

/// Columns of one group. The codes before the first multiple of eight are read one by one.
INLINE void expand_codes(code_row row, int bits, ptrdiff_t column, ptrdiff_t count, float scale,
                         float zero, float *out) {
  for (; count > 0 && column % 8 != 0; column++, count--) {
    *out++ = scale * (code_at(row, column, bits) - zero);
  }
  const uint8_t *bytes = row.bytes + column / 8 * bits;
  vf code[CODE_BLOCK / LANES];
  for (; count >= CODE_BLOCK && row.end - bytes >= CODE_BLOCK_BYTES; count -= CODE_BLOCK) {
    load_codes(bytes, bits, code);
    for (int j = 0; j < CODE_BLOCK / LANES; j++) {
      store(out + j * LANES, scale * (code[j] - zero));
    }
    bytes += 2 * bits;
    out += CODE_BLOCK;
  }
  for (; count > 0; count -= CODE_BLOCK, bytes += 2 * bits, out += CODE_BLOCK) {
    uint8_t buffer[CODE_BLOCK_BYTES];
    load_codes(readable(bytes, row.end, buffer), bits, code);
    for (int j = 0; j < CODE_BLOCK / LANES; j++) {
      vf value = scale * (code[j] - zero);
      ptrdiff_t left = count - j * LANES;
      if (left >= LANES) {
        store(out + j * LANES, value);
      } else if (left > 0) {
        store_part(out + j * LANES, value, left);
      }
    }
  }
}

// MARK: - Rows

INLINE float zero_of(const ck_rows *rows, ptrdiff_t group) {
  return rows->zero ? rows->zero[group] : (float)(1 << (rows->bits - 1));
}

INLINE void expand_row_bits(const ck_rows *rows, int bits, ptrdiff_t row, ptrdiff_t column,
                            ptrdiff_t count, float *out) {
  code_row codes = row_of_codes(rows, row);
  if (rows->scale_stride == 0) {
    expand_codes(codes, bits, column, count, rows->scale[0], zero_of(rows, 0), out);
    return;
  }
  ptrdiff_t group = column / rows->group_size, at = row * rows->scale_stride + group;
  ptrdiff_t some = (group + 1) * rows->group_size - column;
  for (; count > 0; at++, some = rows->group_size) {
    if (some > count) some = count;
    expand_codes(codes, bits, column, some, rows->scale[at], zero_of(rows, at), out);
    column += some, count -= some, out += some;
  }
}

#define BITS(B)                                                                                 \
  static void expand_##B(const ck_rows *rows, ptrdiff_t row, ptrdiff_t column, ptrdiff_t count, \
                         float *out) {                                                          \
    expand_row_bits(rows, B, row, column, count, out);                                          \
  }
BITS(1) BITS(2) BITS(3) BITS(4) BITS(5) BITS(6) BITS(7) BITS(8)
#undef BITS

static void expand_packed(const ck_rows *rows, ptrdiff_t row, ptrdiff_t column, ptrdiff_t count,
                          float *out) {
  static void (*const functions[])(const ck_rows *, ptrdiff_t, ptrdiff_t, ptrdiff_t, float *) = {
      expand_1, expand_2, expand_3, expand_4, expand_5, expand_6, expand_7, expand_8};
  functions[rows->bits - 1](rows, row, column, count, out);
}

static void kernel_expand_row(const ck_rows *rows, ptrdiff_t row, ptrdiff_t column, ptrdiff_t count,
                              float *out) {
  ptrdiff_t at = row * rows->row_stride + column;
  switch (rows->storage) {
    case CK_FLOAT32: memcpy(out, (const float *)rows->data + at, (size_t)count * 4); break;
    case CK_FLOAT16:
      kernel_float16_to_float32(count, (const uint16_t *)rows->data + at, out);
      break;
    case CK_BFLOAT16:
      kernel_bfloat16_to_float32(count, (const uint16_t *)rows->data + at, out);
      break;
    case CK_PACKED: expand_packed(rows, row, column, count, out); break;
    case CK_BINARY: expand_binary(rows, row, column, count, out); break;
  }
}
