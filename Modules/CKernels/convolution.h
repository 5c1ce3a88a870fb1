// What the parts of a convolution share: sizes of windows and of runs.
#ifndef CK_CONVOLUTION_H
#define CK_CONVOLUTION_H

#include "table.h"

#define WINDOW_FLOATS 65536  // padded pixels of a part: a quarter of the 1 MiB of L2

static inline ptrdiff_t minimum(ptrdiff_t a, ptrdiff_t b) { return a < b ? a : b; }
static inline ptrdiff_t maximum(ptrdiff_t a, ptrdiff_t b) { return a > b ? a : b; }
static inline ptrdiff_t divide_up(ptrdiff_t a, ptrdiff_t b) { return (a + b - 1) / b; }

/// The step that cuts `extent` into the pieces that steps of `limit` would need, all about equal
/// and multiples of `unit`.
static inline ptrdiff_t even_step(ptrdiff_t extent, ptrdiff_t limit, ptrdiff_t unit) {
  if (extent <= limit) return maximum(extent, 1);
  limit = maximum(limit / unit * unit, unit);
  return divide_up(divide_up(extent, divide_up(extent, limit)), unit) * unit;
}

/// The padded copy of a strip of an image, [channels × rows × phases × columns].
typedef struct {
  ptrdiff_t rows, columns, phases;
  ptrdiff_t row_floats, plane;
} ck_window_size;

static inline ck_window_size ck_sized(ptrdiff_t rows, ptrdiff_t columns, ptrdiff_t phases) {
  ck_window_size size = {.rows = rows, .columns = columns, .phases = phases};
  size.row_floats = phases * columns;
  size.plane = rows * size.row_floats;
  return size;
}

/// The window of the image under rows × columns features. Columns are sorted by their remainder
/// modulo the stride, so that neighbouring features always read neighbouring pixels.
static inline ck_window_size ck_image_window(const ck_convolution *s, ptrdiff_t rows,
                                             ptrdiff_t columns) {
  ptrdiff_t last_column = (s->kernel_width - 1) * s->dilation_width / s->stride_width;
  return ck_sized((rows - 1) * s->stride_height + (s->kernel_height - 1) * s->dilation_height + 1,
                  columns + last_column, s->stride_width);
}

/// Where the place (ky, kx) of the kernel lies in an image window.
static inline ptrdiff_t ck_image_offset(const ck_convolution *s, const ck_window_size *size,
                                        ptrdiff_t ky, ptrdiff_t kx) {
  ptrdiff_t x = kx * s->dilation_width;
  return ky * s->dilation_height * size->row_floats + x % s->stride_width * size->columns +
         x / s->stride_width;
}

/// Whether the kernel covers the whole image once: the convolution is a product of matrices.
static inline bool ck_covers_image(const ck_convolution *s) {
  return s->groups == 1 && s->feature_height == 1 && s->feature_width == 1 &&
         s->padding_height == 0 && s->padding_width == 0 && s->dilation_height == 1 &&
         s->dilation_width == 1 && s->kernel_height == s->image_height &&
         s->kernel_width == s->image_width;
}

#endif
