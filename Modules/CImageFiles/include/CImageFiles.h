// PNG and JPEG through libpng and libjpeg: their errors, which jump, become return codes here, so
// that no jump ever crosses a frame of Swift.

#ifndef APUS_CIMAGEFILES_H
#define APUS_CIMAGEFILES_H

#include <stddef.h>
#include <stdint.h>

enum {
  /// The work is done.
  CIMAGE_DONE = 0,
  /// The bytes break their format, or end too early; the message says how.
  CIMAGE_MALFORMED = 1,
  /// The format allows it, and this code does not read it; the message says what.
  CIMAGE_UNSUPPORTED = 2,
  /// There is no memory left.
  CIMAGE_MEMORY = 3,
};

/// The bytes of a message, with the zero at its end.
enum { CIMAGE_MESSAGE = 200 };

/// What a header says, and the layout of the decoded image.
typedef struct {
  /// Pixels of a row.
  uint32_t width;
  /// Rows.
  uint32_t height;
  /// Bytes of a pixel once it is decoded: 1 grey, 3 RGB, 4 RGB and alpha.
  int channels;
} cimage_layout;

/// Reads the header of a PNG file.
int cimage_png_layout(const uint8_t *bytes, size_t count, cimage_layout *layout, char *message);

/// Decodes a PNG file into rows without gaps; `layout` is what cimage_png_layout found.
int cimage_png_decode(const uint8_t *bytes, size_t count, cimage_layout layout, uint8_t *pixels,
                      char *message);

/// Reads the header of a JPEG file.
int cimage_jpeg_layout(const uint8_t *bytes, size_t count, cimage_layout *layout, char *message);

/// Decodes a JPEG file into rows without gaps; `layout` is what cimage_jpeg_layout found.
int cimage_jpeg_decode(const uint8_t *bytes, size_t count, cimage_layout layout, uint8_t *pixels,
                       char *message);

/// Encodes rows without gaps as PNG; `*bytes` is to be given to cimage_free.
int cimage_png_encode(const uint8_t *pixels, cimage_layout layout, uint8_t **bytes, size_t *count,
                      char *message);

/// Gives the bytes of cimage_png_encode back.
void cimage_free(uint8_t *bytes);

#endif
