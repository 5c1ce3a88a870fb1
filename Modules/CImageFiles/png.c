#include "CImageFiles.h"

#include <png.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

// What libpng's callbacks see: the input, the output, and where errors go.
typedef struct {
  const uint8_t *bytes;
  size_t count;
  size_t offset;
  uint8_t *output;
  size_t capacity;
  int code;
  char *message;
} png_task;

static void fail(png_task *task, int code, const char *text) {
  task->code = code;
  strncpy(task->message, text, CIMAGE_MESSAGE - 1);
  task->message[CIMAGE_MESSAGE - 1] = 0;
}

static void on_error(png_structp png, png_const_charp text) {
  png_task *task = png_get_error_ptr(png);
  if (task->code == CIMAGE_DONE) fail(task, CIMAGE_MALFORMED, text);
  png_longjmp(png, 1);
}

static void on_warning(png_structp png, png_const_charp text) {
  (void)png;
  (void)text;
}

static void read_bytes(png_structp png, png_bytep target, size_t count) {
  png_task *task = png_get_io_ptr(png);
  if (count > task->count - task->offset) png_error(png, "the file ends too early");
  memcpy(target, task->bytes + task->offset, count);
  task->offset += count;
}

static void write_bytes(png_structp png, png_bytep source, size_t count) {
  png_task *task = png_get_io_ptr(png);
  if (count > task->capacity - task->offset) {
    size_t capacity = 2 * task->capacity + count + 4096;
    uint8_t *larger = realloc(task->output, capacity);
    if (larger == NULL) {
      fail(task, CIMAGE_MEMORY, "out of memory");
      png_error(png, "out of memory");
    }
    task->output = larger;
    task->capacity = capacity;
  }
  memcpy(task->output + task->offset, source, count);
  task->offset += count;
}

static void flush_bytes(png_structp png) { (void)png; }

// Everything up to the first image data; what is decoded afterwards has 8 bits and no palette.
static void read_header(png_structp png, png_infop info, png_task *task, cimage_layout *layout) {
  png_set_read_fn(png, task, read_bytes);
  // Texts, profiles and the like are skipped: they may unpack to more than the image.
  png_set_keep_unknown_chunks(png, PNG_HANDLE_CHUNK_NEVER, NULL, -1);
  png_set_chunk_malloc_max(png, 8000000);
  png_read_info(png, info);
  png_byte kind = png_get_color_type(png, info);
  int has_alpha = (kind & PNG_COLOR_MASK_ALPHA) != 0 || png_get_valid(png, info, PNG_INFO_tRNS) != 0;
  int has_colour = (kind & PNG_COLOR_MASK_COLOR) != 0;
  layout->width = png_get_image_width(png, info);
  layout->height = png_get_image_height(png, info);
  layout->channels = has_alpha ? 4 : has_colour ? 3 : 1;
  // Deflate makes at most 1032 bytes of one: what promises more is cut off, and needs no memory.
  uint64_t bits = (uint64_t)layout->width * png_get_bit_depth(png, info) * png_get_channels(png, info);
  if ((bits + 7) / 8 * layout->height / 1032 > task->count) {
    png_error(png, "the file ends too early for its size");
  }
}

// The structures of one reading; NULL without memory.
static png_structp new_reader(png_task *task, png_infop *info) {
  png_structp png = png_create_read_struct(PNG_LIBPNG_VER_STRING, task, on_error, on_warning);
  if (png == NULL) return NULL;
  *info = png_create_info_struct(png);
  if (*info == NULL) png_destroy_read_struct(&png, NULL, NULL);
  return png;
}

int cimage_png_layout(const uint8_t *bytes, size_t count, cimage_layout *layout, char *message) {
  png_task task = {.bytes = bytes, .count = count, .message = message};
  png_infop info = NULL;
  png_structp png = new_reader(&task, &info);
  if (png == NULL) {
    if (task.code == CIMAGE_DONE) fail(&task, CIMAGE_MEMORY, "out of memory");
    return task.code;
  }
  if (setjmp(png_jmpbuf(png)) == 0) read_header(png, info, &task, layout);
  png_destroy_read_struct(&png, &info, NULL);
  return task.code;
}

static void read_pixels(png_structp png, png_infop info, cimage_layout layout, uint8_t *pixels) {
  png_set_expand(png);
  png_set_scale_16(png);
  if (layout.channels == 4) {
    png_set_gray_to_rgb(png);
    png_set_add_alpha(png, 0xFF, PNG_FILLER_AFTER);
  }
  int passes = png_set_interlace_handling(png);
  png_read_update_info(png, info);
  size_t width = (size_t)layout.width * (size_t)layout.channels;
  if (png_get_rowbytes(png, info) != width) png_error(png, "the rows have another width");
  for (int pass = 0; pass < passes; pass++) {
    for (uint32_t row = 0; row < layout.height; row++) {
      png_read_row(png, pixels + row * width, NULL);
    }
  }
  png_read_end(png, NULL);
}

int cimage_png_decode(const uint8_t *bytes, size_t count, cimage_layout layout, uint8_t *pixels,
                      char *message) {
  png_task task = {.bytes = bytes, .count = count, .message = message};
  png_infop info = NULL;
  png_structp png = new_reader(&task, &info);
  if (png == NULL) {
    if (task.code == CIMAGE_DONE) fail(&task, CIMAGE_MEMORY, "out of memory");
    return task.code;
  }
  if (setjmp(png_jmpbuf(png)) == 0) {
    cimage_layout found;
    read_header(png, info, &task, &found);
    if (found.width != layout.width || found.height != layout.height ||
        found.channels != layout.channels) {
      png_error(png, "the header has changed");
    }
    read_pixels(png, info, layout, pixels);
  }
  png_destroy_read_struct(&png, &info, NULL);
  return task.code;
}

static void write_pixels(png_structp png, png_infop info, cimage_layout layout,
                         const uint8_t *pixels) {
  int kind = layout.channels == 4   ? PNG_COLOR_TYPE_RGB_ALPHA
             : layout.channels == 3 ? PNG_COLOR_TYPE_RGB
                                    : PNG_COLOR_TYPE_GRAY;
  png_set_IHDR(png, info, layout.width, layout.height, 8, kind, PNG_INTERLACE_NONE,
               PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
  png_write_info(png, info);
  size_t width = (size_t)layout.width * (size_t)layout.channels;
  for (uint32_t row = 0; row < layout.height; row++) png_write_row(png, pixels + row * width);
  png_write_end(png, info);
}

int cimage_png_encode(const uint8_t *pixels, cimage_layout layout, uint8_t **bytes, size_t *count,
                      char *message) {
  png_task task = {.message = message};
  png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, &task, on_error, on_warning);
  png_infop info = png == NULL ? NULL : png_create_info_struct(png);
  if (info == NULL) {
    png_destroy_write_struct(&png, NULL);
    fail(&task, CIMAGE_MEMORY, "out of memory");
    return task.code;
  }
  png_set_write_fn(png, &task, write_bytes, flush_bytes);
  if (setjmp(png_jmpbuf(png)) == 0) write_pixels(png, info, layout, pixels);
  png_destroy_write_struct(&png, &info);
  if (task.code != CIMAGE_DONE) {
    free(task.output);
    return task.code;
  }
  *bytes = task.output;
  *count = task.offset;
  return CIMAGE_DONE;
}

void cimage_free(uint8_t *bytes) { free(bytes); }
