// From the bytes of a unit to its eight lines of one code a byte, and their products.

INLINE void nibble_lines(const uint8_t *p, int count, int mask, bytes *lines) {
  for (int i = 0; i < count; i++) {
    bytes v = load_bytes(p + 32 * i);
    lines[2 * i] = v & (uint8_t)mask;
    lines[2 * i + 1] = (v >> 4) & (uint8_t)mask;
  }
}

/// The lines of quads 0 … 7. Codes of 8 bits come less 128, those of 6 bits less 32.
INLINE void unpack_unit(int bits, const uint8_t *p, bytes lines[8]) {
  if (bits == 4) nibble_lines(p, 4, 15, lines);
  if (bits == 8) {
    for (int i = 0; i < 8; i++) lines[i] = load_bytes(p + 32 * i);
  }
  if (bits == 3) {
    bytes a = load_bytes(p), b = load_bytes(p + 32), c = load_bytes(p + 64);
    nibble_lines(p, 3, 7, lines);
    bytes spread = ((a >> 3) & 0x11) | ((b >> 2) & 0x22) | ((c >> 1) & 0x44);
    lines[6] = spread & 7;
    lines[7] = spread >> 4;
  }
  if (bits == 5) {
    nibble_lines(p, 4, 15, lines);
    bytes upper = load_bytes(p + 128);
#pragma clang loop unroll(full)
    for (int i = 0; i < 8; i++) {
      lines[i] |= (i < 4 ? upper << (4 - i) : upper >> (i - 4)) & 0x10;
    }
  }
  if (bits == 6) {
    nibble_lines(p, 4, 15, lines);
    for (int i = 0; i < 2; i++) {
      bytes upper = load_bytes(p + 128 + 32 * i);
      bytes *four = lines + 4 * i;
      four[0] |= (upper << 4) & 0x30;
      four[1] |= (upper << 2) & 0x30;
      four[2] |= upper & 0x30;
      four[3] |= (upper >> 2) & 0x30;
    }
    for (int i = 0; i < 8; i++) lines[i] -= 32;
  }
}

/// The zero of codes with scales of halves of units.
#define HALF_ZERO(bits) ((bits) == 3 ? 4 : 32)

/// The lines of codes with scales of halves of units, less their zero: signed, like those of 6 bits.
INLINE void unpack_signed_unit(int bits, const uint8_t *p, bytes lines[8]) {
  unpack_unit(bits, p, lines);
  if (bits == 6) return;  // which come so
#pragma clang loop unroll(full)
  for (int i = 0; i < 8; i++) lines[i] -= HALF_ZERO(bits);
}

/// How products with signed lines are made: as those of 6 bits, which are the larger ones.
#define SIGNED_BITS 6

/// The products of quads first … first + count − 1 with x, summed.
INLINE ints dot_quads(int bits, const bytes *lines, int first, int count, const int8_t *x) {
  ints total = 0;
  int step = QUADS_OF(bits) < count ? QUADS_OF(bits) : count;
#pragma clang loop unroll(full)
  for (int start = 0; start < count; start += step) {
    partial sum = 0;
#pragma clang loop unroll(full)
    for (int i = 0; i < step; i++) {
      int q = first + start + i;
      sum = add_products(bits, sum, lines[q], quad(x + 4 * q));
    }
    total += widen(sum);
  }
  return total;
}

// MARK: - Headers

/// Scales and offsets of eight rows of a band of `height` rows, from row `first` on.
typedef struct {
  floats scale, offset;
} group_header;

INLINE group_header read_header(int kind, const uint8_t *p, int height, int first, int zero) {
  group_header h;
  if (kind == CK_SCALES_FLOAT) {
    memcpy(&h.scale, p + 4 * first, sizeof h.scale);
    memcpy(&h.offset, p + 4 * (height + first), sizeof h.offset);
    return h;
  }
  h.scale = load_halves(p + 2 * first);
  if (kind == CK_SCALES_HALF) h.offset = h.scale * -(float)zero;
  if (kind == CK_SCALES_HALF_ZEROS) h.offset = -h.scale * to_floats(to_ints(p + 2 * height + first));
  if (kind == CK_SCALES_HALF_OFFSETS || kind == CK_SCALES_4K) {
    h.offset = load_halves(p + 2 * (height + first));
  }
  if (kind == CK_SCALES_6K) h.offset = 0;
  return h;
}

/// The zero point of codes as the lines hold them.
INLINE int line_zero(int bits, const ck_interleaved *matrix) {
  return bits == 8 ? matrix->zero - 128 : matrix->zero;
}

/// What the kernels add to the offsets because 8-bit lines hold code − 128.
INLINE floats line_offset(int bits, int kind, group_header h) {
  return bits == 8 && kind != CK_SCALES_HALF ? h.offset + 128 * h.scale : h.offset;
}

#define HEADER_BYTES(kind, height)                                      \
  ((height) * ((kind) == CK_SCALES_FLOAT          ? 8                   \
               : (kind) == CK_SCALES_HALF_ZEROS   ? 3                   \
               : (kind) == CK_SCALES_HALF_OFFSETS ? 4                   \
               : (kind) == CK_SCALES_4K           ? 4                   \
                                                  : 2))
