// The gradient of a convolution's weight.
//
// For each block of feature channels the features of a strip are transposed to [pixels × channels],
// and the image is copied into a padded window, as in the forward direction. Then one tile takes
// runs of neighbouring places of the kernel, each broadcast, times a vector of feature channels,
// and sums over the pixels of the strip.
//
// The work is cut by batch into chunks with sums of their own, which are added in order at the end,
// and by image channels, which is what remains when the features have few pixels.
#include <string.h>

#include "convolution.h"
#include "scratch.h"

#define CHUNK_CYCLES 200000.0  // work worth a part
#define MOST_PARTS 16
#define CHUNK_PIXELS 512       // below, the sums of a chunk cost more than they save
#define CHANNEL_PLACES 128     // the same for the image channels of a part, times their places
#define PARTIAL_FLOATS 4194304
#define STRIP_PIXELS 512
#define DOT_TAPS 9

/// Places of the kernel that are neighbours in a window: place + i · step at offset + i.
typedef struct {
  int32_t offset, place;
} tap_run;

typedef struct {
  const ck_convolution *shape;
  const ck_table *table;
  bool few;
  const float *image, *features;
  ptrdiff_t image_channels, feature_channels, places;  // per group
  ptrdiff_t rows, columns, images;                     // of a strip
  ptrdiff_t row_strips, column_strips, strips;
  ck_window_size window;
  ptrdiff_t blocks;
  ptrdiff_t chunks, chunk_strips, channel_step, channel_parts;
  ptrdiff_t partial_floats;  // of a chunk
  float *partial;
  tap_run *tap_runs;
  int tap_run_count, tap_length, tap_step;
} plan;

// MARK: - Sizes

static void choose_strips(plan *p) {
  const ck_convolution *s = p->shape;
  ptrdiff_t width = s->feature_width, height = s->feature_height;
  p->columns = even_step(width, STRIP_PIXELS, 1);
  p->rows = maximum(minimum(height, STRIP_PIXELS / p->columns), 1);
  while (p->rows > 1 && ck_image_window(s, p->rows, p->columns).plane * s->image_channels >
                            2 * WINDOW_FLOATS) {
    p->rows -= divide_up(p->rows, 8);
  }
  p->rows = even_step(height, p->rows, 1);
  p->window = ck_image_window(s, p->rows, p->columns);
  p->row_strips = divide_up(height, p->rows);
  p->column_strips = divide_up(width, p->columns);
  p->images = 1;
  if (p->row_strips * p->column_strips == 1) {
    ptrdiff_t room = WINDOW_FLOATS / (p->window.plane * s->image_channels + 1);
    ptrdiff_t limit = minimum(maximum(room, 1), maximum(STRIP_PIXELS / (width * height), 1));
    p->images = even_step(s->batch, limit, 1);
  }
  p->strips = divide_up(s->batch, p->images) * p->row_strips * p->column_strips;
}

/// Cuts the work by shape alone: chunks of strips, and parts of the image channels.
static void choose_chunks(plan *p) {
  const ck_convolution *s = p->shape;
  double pixels = (double)s->batch * (double)s->feature_height * (double)s->feature_width;
  double sums = pixels * (double)(p->partial_floats);
  double wanted = sums / 32 / CHUNK_CYCLES + pixels * (double)s->image_channels / CHUNK_CYCLES;
  ptrdiff_t parts = wanted < 1 ? 1 : wanted < MOST_PARTS ? (ptrdiff_t)wanted : MOST_PARTS;
  ptrdiff_t chunks = minimum(parts, (ptrdiff_t)(pixels / CHUNK_PIXELS));
  chunks = minimum(chunks, PARTIAL_FLOATS / (p->partial_floats + 1));
  p->chunk_strips = divide_up(p->strips, maximum(chunks, 1));
  p->chunks = divide_up(p->strips, p->chunk_strips);
  ptrdiff_t channel_parts = divide_up(parts, p->chunks);
  if (s->groups > 1) {
    p->channel_step = divide_up(s->groups, minimum(channel_parts, s->groups)) * p->image_channels;
  } else {
    ptrdiff_t limit = maximum(s->image_channels * p->places / CHANNEL_PLACES, 1);
    p->channel_step = divide_up(s->image_channels, minimum(channel_parts, limit));
  }
  p->channel_parts = divide_up(s->image_channels, p->channel_step);
}

/// Finds runs of places whose pixels are neighbours: a row of the kernel, or every stride-th place
/// of it where each remainder has as many. Otherwise every place is a run.
static void list_tap_runs(plan *p) {
  const ck_convolution *s = p->shape;
  ptrdiff_t step = 0;
  if (s->dilation_width == 1 && s->kernel_width % s->stride_width == 0) step = s->stride_width;
  int length = step ? (int)(s->kernel_width / step) : 1;
  if (length > p->table->run_limit || length < 2) {
    length = 1;
    step = s->kernel_width;
  }
  p->tap_length = length;
  p->tap_step = length > 1 ? (int)step : 1;
  p->tap_run_count = 0;
  for (ptrdiff_t ky = 0; ky < s->kernel_height; ky++) {
    for (ptrdiff_t kx = 0; kx < step; kx++) {
      tap_run run = {.place = (int32_t)(ky * s->kernel_width + kx)};
      run.offset = (int32_t)ck_image_offset(s, &p->window, ky, kx);
      p->tap_runs[p->tap_run_count++] = run;
    }
  }
}

// MARK: - Parts

typedef struct {
  ptrdiff_t image, images, row, rows, column, columns, pixels;
  ptrdiff_t first_channel, end_channel;  // of the image
  float *window, *block, *unused;
  int32_t *offsets;
  float *sums;
} strip;

static ptrdiff_t image_floats(const plan *p, const strip *r) {
  return (r->end_channel - r->first_channel) * p->window.plane;
}

static void fill_window(const plan *p, const strip *r) {
  const ck_convolution *s = p->shape;
  ptrdiff_t plane = s->image_height * s->image_width;
  ck_window w = {.channels = r->end_channel - r->first_channel,
                 .plane = plane,
                 .height = s->image_height,
                 .width = s->image_width,
                 .row = r->row * s->stride_height - s->padding_height,
                 .rows = p->window.rows,
                 .column = r->column * s->stride_width - s->padding_width,
                 .columns = p->window.columns,
                 .phases = p->window.phases};
  for (ptrdiff_t n = 0; n < r->images; n++) {
    w.from = p->image + ((r->image + n) * s->image_channels + r->first_channel) * plane;
    w.to = r->window + n * image_floats(p, r);
    p->table->pack_window(&w);
  }
}

/// Features of `channels` channels as [pixels of the strip × tile_columns].
static void fill_block(const plan *p, const strip *r, ptrdiff_t channel, ptrdiff_t channels) {
  const ck_convolution *s = p->shape;
  ptrdiff_t plane = s->feature_height * s->feature_width;
  bool whole_rows = r->columns == s->feature_width;
  ptrdiff_t lines = whole_rows ? 1 : r->rows;
  ptrdiff_t length = whole_rows ? r->rows * r->columns : r->columns;
  float *to = r->block;
  for (ptrdiff_t n = 0; n < r->images; n++) {
    const float *from = p->features +
                        ((r->image + n) * s->feature_channels + channel) * plane +
                        r->row * s->feature_width + r->column;
    for (ptrdiff_t y = 0; y < lines; y++, to += length * p->table->tile_columns) {
      p->table->pack_transposed_columns(from + y * s->feature_width, plane, channels, length, to);
    }
  }
}

/// Where the pixels of the strip lie in the window, in the order of the block.
static void list_pixels(const plan *p, const strip *r) {
  ptrdiff_t advance = p->shape->stride_height * p->window.row_floats;
  int32_t *to = r->offsets;
  for (ptrdiff_t n = 0; n < r->images; n++) {
    for (ptrdiff_t y = 0; y < r->rows; y++) {
      int32_t first = (int32_t)(n * image_floats(p, r) + y * advance);
      for (ptrdiff_t x = 0; x < r->columns; x++) *to++ = first + (int32_t)x;
    }
  }
}

/// Adds the strip to the sums of one block of feature channels of group g.
static void add_block(const plan *p, const strip *r, ptrdiff_t g, ptrdiff_t block) {
  ptrdiff_t width = p->table->tile_columns, group_channel = g * p->image_channels;
  ptrdiff_t channels = minimum(width, p->feature_channels - block * width);
  fill_block(p, r, g * p->feature_channels + block * width, channels);
  ck_run_tile tile = {.k = r->pixels, .offsets = r->offsets, .panel = r->block};
  tile.stride = p->tap_step * width;
  tile.channels = channels;
  tile.length = p->tap_length;
  int runs = p->table->run_count(tile.length), filled = 0;
  float *sums = r->sums + (g * p->blocks + block) * p->image_channels * p->places * width;
  ptrdiff_t first = maximum(r->first_channel, group_channel);
  ptrdiff_t end = minimum(r->end_channel, group_channel + p->image_channels);
  for (ptrdiff_t c = first; c < end; c++) {
    const float *source = r->window + (c - r->first_channel) * p->window.plane;
    float *target = sums + (c - group_channel) * p->places * width;
    for (int t = 0; t < p->tap_run_count; t++) {
      tile.source[filled] = source + p->tap_runs[t].offset;
      tile.target[filled] = target + p->tap_runs[t].place * width;
      if (++filled == runs) {
        p->table->added_run_tile(&tile);
        filled = 0;
      }
    }
  }
  if (filled == 0) return;
  for (int j = filled; j < runs; j++) {
    tile.source[j] = tile.source[0];
    tile.target[j] = r->unused;
  }
  p->table->added_run_tile(&tile);
}

/// Adds the strip to the sums of group g, channel by channel, with vectors of pixels.
static void add_few(const plan *p, const strip *r, ptrdiff_t g) {
  const ck_convolution *s = p->shape;
  ptrdiff_t lanes = p->table->lanes, plane = s->feature_height * s->feature_width;
  int32_t *left = r->offsets, *right = left + r->pixels, *taps = right + r->pixels;
  for (ptrdiff_t t = 0; t < p->places; t++) {
    taps[t] = (int32_t)ck_image_offset(s, &p->window, t / s->kernel_width, t % s->kernel_width);
  }
  // Whole vectors of pixels first, then what is left of each row.
  for (ptrdiff_t begin = 0; begin < r->columns;) {
    bool whole = begin + lanes <= r->columns;
    ptrdiff_t end = whole ? r->columns / lanes * lanes : r->columns, runs = 0;
    for (ptrdiff_t n = 0; n < r->images; n++) {
      for (ptrdiff_t y = 0; y < r->rows; y++) {
        for (ptrdiff_t x = begin; x < end; x += lanes, runs++) {
          left[runs] = (int32_t)(n * s->feature_channels * plane + y * s->feature_width + x);
          right[runs] = (int32_t)(n * image_floats(p, r) +
                                  y * s->stride_height * p->window.row_floats + x);
        }
      }
    }
    ck_run_dots dots = {.runs = runs, .left_offsets = left, .right_offsets = right};
    dots.length = (int)(whole ? lanes : end - begin);
    for (ptrdiff_t o = 0; o < p->feature_channels; o++) {
      ptrdiff_t channel = g * p->feature_channels + o;
      dots.left = p->features + (r->image * s->feature_channels + channel) * plane +
                  r->row * s->feature_width + r->column;
      for (ptrdiff_t c = maximum(r->first_channel, g * p->image_channels);
           c < minimum(r->end_channel, (g + 1) * p->image_channels); c++) {
        dots.right = r->window + (c - r->first_channel) * p->window.plane;
        ptrdiff_t row = channel * p->image_channels + c - g * p->image_channels;
        for (ptrdiff_t t = 0; t < p->places; t += DOT_TAPS) {
          dots.taps = (int)minimum(DOT_TAPS, p->places - t);
          dots.tap_offsets = taps + t;
          dots.sums = r->sums + row * p->places + t;
          p->table->run_dots(&dots);
        }
      }
    }
    begin = end;
  }
}

static void add_strip(const plan *p, strip *r, ptrdiff_t index) {
  const ck_convolution *s = p->shape;
  r->column = index % p->column_strips * p->columns;
  index /= p->column_strips;
  r->row = index % p->row_strips * p->rows;
  r->image = index / p->row_strips * p->images;
  r->columns = minimum(p->columns, s->feature_width - r->column);
  r->rows = minimum(p->rows, s->feature_height - r->row);
  r->images = minimum(p->images, s->batch - r->image);
  r->pixels = r->images * r->rows * r->columns;
  fill_window(p, r);
  if (!p->few) list_pixels(p, r);
  ptrdiff_t first = r->first_channel / p->image_channels;
  ptrdiff_t end = divide_up(r->end_channel, p->image_channels);
  for (ptrdiff_t g = first; g < end; g++) {
    if (p->few) {
      add_few(p, r, g);
    } else {
      for (ptrdiff_t block = 0; block < p->blocks; block++) add_block(p, r, g, block);
    }
  }
}

/// Sets the sums of a part to zero: the rows of its image channels.
static void clear_sums(const plan *p, const strip *r) {
  ptrdiff_t first = r->first_channel / p->image_channels;
  ptrdiff_t end = divide_up(r->end_channel, p->image_channels);
  ptrdiff_t outer = p->few ? p->feature_channels : p->blocks;
  ptrdiff_t row = p->places * (p->few ? 1 : p->table->tile_columns);
  for (ptrdiff_t i = first * outer; i < end * outer; i++) {
    ptrdiff_t group_channel = i / outer * p->image_channels;
    ptrdiff_t from = maximum(r->first_channel - group_channel, 0);
    ptrdiff_t to = minimum(r->end_channel - group_channel, p->image_channels);
    float *sums = r->sums + (i * p->image_channels + from) * row;
    memset(sums, 0, (size_t)((to - from) * row) * sizeof(float));
  }
}

static void add_part(void *context, ptrdiff_t part) {
  const plan *p = context;
  ptrdiff_t chunk = part / p->channel_parts;
  strip r = {.first_channel = part % p->channel_parts * p->channel_step};
  r.end_channel = minimum(r.first_channel + p->channel_step, p->shape->image_channels);
  r.sums = p->partial + chunk * p->partial_floats;
  ptrdiff_t width = p->table->tile_columns, pixels = p->images * p->rows * p->columns;
  // A vector past the last pixel may be read or written.
  ptrdiff_t window = p->images * image_floats(p, &r) + 64;
  ptrdiff_t block = p->few ? 0 : pixels * width, unused = p->places * width;
  ptrdiff_t offsets = 2 * pixels + p->places;
  r.block = ck_scratch(SCRATCH_PART, window + block + unused + offsets);
  r.unused = r.block + block;
  r.window = r.unused + unused;
  r.offsets = (int32_t *)(r.window + window);
  clear_sums(p, &r);
  memset(r.unused, 0, (size_t)unused * sizeof(float));
  ptrdiff_t first = chunk * p->chunk_strips;
  ptrdiff_t end = minimum(first + p->chunk_strips, p->strips);
  for (ptrdiff_t i = first; i < end; i++) add_strip(p, &r, i);
}

// MARK: - Sums of the chunks

typedef struct {
  const plan *plan;
  float *weight;
  ptrdiff_t rows, row_parts;  // per part
} joining;

static void join_part(void *context, ptrdiff_t part) {
  const joining *job = context;
  const plan *p = job->plan;
  ptrdiff_t rows = p->image_channels * p->places, width = p->table->tile_columns;
  ptrdiff_t row = part % job->row_parts * job->rows, block = part / job->row_parts;
  ptrdiff_t g = block / p->blocks;
  ptrdiff_t channel = block % p->blocks * width;
  ck_partial_sums sums = {.parts = p->chunks,
                          .part_stride = p->partial_floats,
                          .rows = minimum(job->rows, rows - row),
                          .channels = minimum(width, p->feature_channels - channel),
                          .stride = rows,
                          .from = p->partial + (block * rows + row) * width};
  sums.to = job->weight + (g * p->feature_channels + channel) * rows + row;
  p->table->sum_transposed(&sums);
}

static void join(const plan *p, float *weight) {
  if (p->few) {
    for (ptrdiff_t i = 0; i < p->partial_floats; i++) {
      float sum = p->partial[i];
      for (ptrdiff_t c = 1; c < p->chunks; c++) sum += p->partial[c * p->partial_floats + i];
      weight[i] = sum;
    }
    return;
  }
  ptrdiff_t rows = p->image_channels * p->places;
  joining job = {.plan = p, .weight = weight};
  // Rows in whole vectors.
  job.rows = maximum(8192 / p->chunks / 16 * 16, 16);
  job.row_parts = divide_up(rows, job.rows);
  ptrdiff_t parts = p->shape->groups * p->blocks * job.row_parts;
  if (p->partial_floats * p->chunks > 65536) {
    ck_parallel(parts, join_part, &job);
  } else {
    for (ptrdiff_t part = 0; part < parts; part++) join_part(&job, part);
  }
}

void ck_convolve_weight(const ck_convolution *s, const float *image, const float *features,
                        float *weight) {
  ptrdiff_t places = s->kernel_height * s->kernel_width;
  ptrdiff_t per_group = s->image_channels / s->groups;
  ptrdiff_t count = s->feature_channels * per_group * places;
  ptrdiff_t pixels = s->batch * s->feature_height * s->feature_width;
  if (count == 0) return;
  if (pixels == 0) {
    memset(weight, 0, (size_t)count * sizeof(float));
    return;
  }
  if (ck_covers_image(s)) {
    ptrdiff_t n = count / s->feature_channels;
    ck_sgemm(true, false, s->feature_channels, n, s->batch, features, s->feature_channels, image,
             n, 0, weight, n);
    return;
  }
  plan p = {.shape = s,
            .table = ck_current(),
            .image = image,
            .features = features,
            .image_channels = per_group,
            .feature_channels = s->feature_channels / s->groups,
            .places = places};
  ptrdiff_t width = p.table->tile_columns;
  p.few = p.feature_channels <= p.table->few_channels;
  p.blocks = divide_up(p.feature_channels, width);
  p.partial_floats = p.few ? count : s->groups * p.blocks * per_group * places * width;
  choose_strips(&p);
  choose_chunks(&p);
  p.tap_runs = (tap_run *)ck_scratch(SCRATCH_LEFT, 2 * places);
  list_tap_runs(&p);
  p.partial = ck_scratch(SCRATCH_JOB, p.chunks * p.partial_floats);
  ck_parallel(p.chunks * p.channel_parts, add_part, &p);
  join(&p, weight);
}

// MARK: - Bias

typedef struct {
  ptrdiff_t batch, channels, plane;
  const float *x;
  float *sums;
  ptrdiff_t step;
} channel_sums;

static void sum_channels(void *context, ptrdiff_t part) {
  const channel_sums *job = context;
  ptrdiff_t end = minimum((part + 1) * job->step, job->channels);
  for (ptrdiff_t c = part * job->step; c < end; c++) {
    double sum = 0;
    for (ptrdiff_t n = 0; n < job->batch; n++) {
      sum += ck_sum(job->plane, job->x + (n * job->channels + c) * job->plane);
    }
    job->sums[c] = (float)sum;
  }
}

void ck_channel_sums(ptrdiff_t batch, ptrdiff_t channels, ptrdiff_t plane, const float *x,
                     float *sums) {
  channel_sums job = {.batch = batch, .channels = channels, .plane = plane, .x = x, .sums = sums};
  ptrdiff_t work = batch * plane;
  job.step = maximum(32768 / (work + 1), 1);
  ck_parallel(divide_up(channels, job.step), sum_channels, &job);
}
