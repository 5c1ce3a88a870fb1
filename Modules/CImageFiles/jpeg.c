#include "CImageFiles.h"

#include <setjmp.h>
#include <stdio.h>
#include <string.h>

#include <jpeglib.h>

#include <jerror.h>

// An error handler that returns, and what it found. The base comes first: libjpeg knows only it.
typedef struct {
  struct jpeg_error_mgr base;
  jmp_buf exit;
  int code;
  char *message;
} jpeg_task;

static void on_error(j_common_ptr common) {
  jpeg_task *task = (jpeg_task *)common->err;
  char text[JMSG_LENGTH_MAX];
  common->err->format_message(common, text);
  task->code = common->err->msg_code == JERR_OUT_OF_MEMORY ? CIMAGE_MEMORY : CIMAGE_MALFORMED;
  strncpy(task->message, text, CIMAGE_MESSAGE - 1);
  task->message[CIMAGE_MESSAGE - 1] = 0;
  longjmp(task->exit, 1);
}

// Libjpeg fills up damaged data with grey and warns; only warnings that leave the pixels alone pass.
static void on_message(j_common_ptr common, int level) {
  if (level >= 0) return;
  switch (common->err->msg_code) {
    case JWRN_EXTRANEOUS_DATA:
    case JWRN_JFIF_MAJOR:
    case JWRN_ADOBE_XFORM:
      return;
    default:
      on_error(common);
  }
}

// A small file may hold millions of scans over a large image, each of which takes time.
static void on_progress(j_common_ptr common) {
  if (((j_decompress_ptr)common)->input_scan_number > 500) ERREXIT(common, JERR_BAD_PROGRESSION);
}

static int refuse(jpeg_task *task, const char *text) {
  task->code = CIMAGE_UNSUPPORTED;
  strncpy(task->message, text, CIMAGE_MESSAGE - 1);
  return 0;
}

// The header; 0 for what this code does not read.
static int read_header(j_decompress_ptr image, jpeg_task *task, const uint8_t *bytes, size_t count,
                       cimage_layout *layout) {
  jpeg_mem_src(image, bytes, (unsigned long)count);
  jpeg_read_header(image, TRUE);
  switch (image->jpeg_color_space) {
    case JCS_GRAYSCALE:
      image->out_color_space = JCS_GRAYSCALE;
      layout->channels = 1;
      break;
    case JCS_YCbCr:
    case JCS_RGB:
      image->out_color_space = JCS_RGB;
      layout->channels = 3;
      break;
    default:
      return refuse(task, "its colours are neither grey nor RGB; convert it");
  }
  layout->width = image->image_width;
  layout->height = image->image_height;
  return 1;
}

static void start(j_decompress_ptr image, jpeg_task *task, char *message) {
  memset(image, 0, sizeof(*image));
  image->err = jpeg_std_error(&task->base);
  task->base.error_exit = on_error;
  task->base.emit_message = on_message;
  task->code = CIMAGE_DONE;
  task->message = message;
}

int cimage_jpeg_layout(const uint8_t *bytes, size_t count, cimage_layout *layout, char *message) {
  struct jpeg_decompress_struct image;
  jpeg_task task;
  start(&image, &task, message);
  if (setjmp(task.exit) == 0) {
    jpeg_create_decompress(&image);
    read_header(&image, &task, bytes, count, layout);
  }
  jpeg_destroy_decompress(&image);
  return task.code;
}

static void read_pixels(j_decompress_ptr image, cimage_layout layout, uint8_t *pixels) {
  // The exact integer transform: the same bytes with and without vector instructions.
  image->dct_method = JDCT_ISLOW;
  jpeg_start_decompress(image);
  size_t width = (size_t)layout.width * (size_t)layout.channels;
  while (image->output_scanline < image->output_height) {
    JSAMPROW row = pixels + image->output_scanline * width;
    jpeg_read_scanlines(image, &row, 1);
  }
  jpeg_finish_decompress(image);
}

int cimage_jpeg_decode(const uint8_t *bytes, size_t count, cimage_layout layout, uint8_t *pixels,
                       char *message) {
  struct jpeg_decompress_struct image;
  struct jpeg_progress_mgr progress;
  jpeg_task task;
  start(&image, &task, message);
  if (setjmp(task.exit) == 0) {
    jpeg_create_decompress(&image);
    memset(&progress, 0, sizeof(progress));
    progress.progress_monitor = on_progress;
    image.progress = &progress;
    cimage_layout found;
    if (read_header(&image, &task, bytes, count, &found)) {
      if (found.width != layout.width || found.height != layout.height ||
          found.channels != layout.channels) {
        ERREXIT(&image, JERR_IMAGE_TOO_BIG);
      }
      read_pixels(&image, layout, pixels);
    }
  }
  jpeg_destroy_decompress(&image);
  return task.code;
}
