// Rows of binary codes into floats: value = offset + Σ_i ±α_i, the sign from a bit of plane i.
//
// LANES bits of a plane become a mask of the lanes where they are clear, which turns the sign of α.
// The sum runs over the planes in order, so that an element is the same wherever a piece begins.

/// The planes of a row.
typedef struct {
  const uint8_t *bytes;
  ptrdiff_t stride;  // bytes from one plane to the next
  int count;
} sign_planes;

INLINE float binary_value(sign_planes planes, ptrdiff_t column, const float *scale, float offset) {
  for (int i = 0; i < planes.count; i++) {
    unsigned byte = planes.bytes[i * planes.stride + column / 8];
    offset += byte >> (column % 8) & 1 ? scale[i] : -scale[i];
  }
  return offset;
}

/// Bits [column, column + LANES) of a plane, with column a multiple of LANES.
INLINE uint32_t sign_bits(const uint8_t *bytes, ptrdiff_t column) {
#if LANES == 16
  uint16_t bits;
  memcpy(&bits, bytes + column / 8, sizeof bits);
  return bits;
#else
  return (uint32_t)bytes[column / 8] >> (column % 8);
#endif
}

/// Columns of one group.
INLINE void expand_signs(sign_planes planes, ptrdiff_t column, ptrdiff_t count, const float *scale,
                         float offset, float *out) {
  for (; count > 0 && column % LANES != 0; column++, count--) {
    *out++ = binary_value(planes, column, scale, offset);
  }
  vu lane;
  for (int j = 0; j < LANES; j++) lane[j] = (uint32_t)1 << j;
  for (; count >= LANES; column += LANES, count -= LANES, out += LANES) {
    vf sum = (vf)offset;
    for (int i = 0; i < planes.count; i++) {
      vu bits = (vu)sign_bits(planes.bytes + i * planes.stride, column) & lane;
      vu turned = (vu)(bits == 0) & 0x80000000u;
      sum += (vf)((vu)((vf)scale[i]) ^ turned);
    }
    store(out, sum);
  }
  for (; count > 0; column++, count--) *out++ = binary_value(planes, column, scale, offset);
}

static void expand_binary(const ck_rows *rows, ptrdiff_t row, ptrdiff_t column, ptrdiff_t count,
                          float *out) {
  ptrdiff_t stride = (rows->column_count + 31) / 32 * 4;
  sign_planes planes = {(const uint8_t *)((const uint32_t *)rows->data + row * rows->row_stride),
                        stride, rows->bits};
  ptrdiff_t groups = rows->scale_stride / rows->bits, group = column / rows->group_size;
  ptrdiff_t some = (group + 1) * rows->group_size - column;
  for (; count > 0; group++, some = rows->group_size) {
    if (some > count) some = count;
    const float *scale = rows->scale + row * rows->scale_stride + group * rows->bits;
    float offset = rows->zero ? rows->zero[row * groups + group] : 0;
    expand_signs(planes, column, some, scale, offset, out);
    column += some, count -= some, out += some;
  }
}
