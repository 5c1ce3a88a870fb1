// Convolutions and transposed convolutions, without unrolling the image into a matrix.
//
// Both directions are one algorithm. The batch is cut into parts: a few small images, or a strip of
// a large one. A part copies the pixels it reads into a padded window that fits L2; then tiles
// (simd/convolve.h) sum over a list of offsets into the window, one for each channel and place of
// the kernel, against panels of weights that were packed once. What comes out is final: there is no
// workspace beyond the window and the packed weights.
//
// A transposed convolution of stride s is s² convolutions of stride 1, one for each remainder of
// the row and the column modulo s, each with the places of the kernel that reach it. Those of one
// row are computed side by side and interleaved.
//
// Rosenfeld's and Georganas's direct convolutions ("Anatomy of high-performance deep learning
// convolutions on SIMD architectures", 2018) use the same tile on blocked layouts.
#include "convolution.h"
#include "scratch.h"

#define PART_CYCLES 100000  // work worth a part, about 25 µs
#define FEWEST_ROWS 4       // below, a strip reads more borders than pixels

typedef struct {
  const ck_convolution *shape;
  const ck_table *table;
  bool transposed, few;
  const float *in;
  float *out;
  ptrdiff_t in_channels, out_channels;  // per group
  ptrdiff_t in_height, in_width, out_height, out_width;
  ptrdiff_t step_height, step_width;     // distance of the outputs of one phase
  ptrdiff_t advance;                     // window rows from one output of a phase to the next
  ptrdiff_t reach_height, reach_width;   // transposed: how far back the kernel reaches
  ptrdiff_t images, rows, columns;       // of a part
  ptrdiff_t row_parts, column_parts;
  ck_window_size window;
  ptrdiff_t blocks, block_channels;      // of output channels
  const int32_t *first_tap, *taps;       // by phase: places of the kernel
  const int32_t *offsets;                // by phase: in_channels × its taps
  const float *panels, *bias;
  ptrdiff_t panel_floats;                // of a group
} plan;

// MARK: - Sizes

static ck_window_size window_size(const plan *p, ptrdiff_t rows, ptrdiff_t columns) {
  if (!p->transposed) return ck_image_window(p->shape, rows, columns);
  return ck_sized((rows + p->step_height - 2) / p->step_height + p->reach_height + 1,
                  (columns + p->step_width - 2) / p->step_width + p->reach_width + 1, 1);
}

static ptrdiff_t window_floats(const plan *p, ptrdiff_t rows, ptrdiff_t columns) {
  return window_size(p, rows, columns).plane * p->in_channels * p->shape->groups;
}

/// Cuts the output into parts by shape alone: images, strips of rows, and pieces of wide rows.
static void choose_parts(plan *p) {
  const ck_convolution *s = p->shape;
  ptrdiff_t taps = s->kernel_height * s->kernel_width;
  double pixels = (double)s->feature_height * (double)s->feature_width;
  double sums = pixels * (double)(p->in_channels * taps) * (double)(p->out_channels * s->groups);
  double copies = (double)window_floats(p, p->out_height, p->out_width) +
                  (double)(p->out_height * p->out_width * p->out_channels * s->groups);
  double image_cycles = sums / 32 + copies / 2;
  p->rows = p->out_height;
  p->columns = p->out_width;
  while (p->columns > 64 &&
         window_floats(p, minimum(p->rows, FEWEST_ROWS), p->columns) > 2 * WINDOW_FLOATS) {
    p->columns = divide_up(divide_up(p->columns, 2), p->step_width) * p->step_width;
  }
  while (p->rows > FEWEST_ROWS && window_floats(p, p->rows, p->columns) > WINDOW_FLOATS) {
    p->rows -= divide_up(p->rows, 8);
  }
  double parts = image_cycles / PART_CYCLES;
  if (s->batch < 8 && parts > 1) {
    ptrdiff_t wanted = minimum(divide_up(8, s->batch), parts < 8 ? (ptrdiff_t)parts : 8);
    p->rows = minimum(p->rows, divide_up(p->out_height, wanted));
  }
  p->rows = even_step(p->out_height, p->rows, p->step_height);
  p->row_parts = divide_up(p->out_height, p->rows);
  p->column_parts = divide_up(p->out_width, p->columns);
  p->images = 1;
  if (p->row_parts * p->column_parts == 1) {
    double wanted = PART_CYCLES / image_cycles + 1;
    ptrdiff_t room = maximum(WINDOW_FLOATS / (window_floats(p, p->rows, p->columns) + 1), 1);
    ptrdiff_t limit = minimum(room, wanted < 4096 ? (ptrdiff_t)wanted : 4096);
    p->images = even_step(s->batch, limit, 1);
  }
  p->window = window_size(p, p->rows, p->columns);
}

/// The run length that covers `extent` with the least waste, among those that the tiles have.
static int best_length(const plan *p, ptrdiff_t extent) {
  const ck_table *table = p->table;
  int best = 1;
  double least = 1e300;
  if (p->few) {
    ptrdiff_t pieces = divide_up(extent, table->lanes);
    return (int)divide_up(extent, pieces);
  }
  for (int length = 1; length <= minimum(table->run_limit, extent); length++) {
    double rows = (double)(table->run_count(length) * length);
    double cost = (double)(divide_up(extent, length) * length) * (1 + 1.5 / rows);
    if (cost <= least) {
      least = cost;
      best = length;
    }
  }
  return best;
}

// MARK: - Weights

/// Lists the places of the kernel by phase: those whose distance has the phase's remainder.
static void list_taps(const plan *p, int32_t *first_tap, int32_t *taps) {
  const ck_convolution *s = p->shape;
  ptrdiff_t phase = 0, count = 0;
  for (ptrdiff_t ry = 0; ry < p->step_height; ry++) {
    for (ptrdiff_t rx = 0; rx < p->step_width; rx++, phase++) {
      first_tap[phase] = (int32_t)count;
      for (ptrdiff_t ky = 0; ky < s->kernel_height; ky++) {
        if (ky * s->dilation_height % p->step_height != ry) continue;
        for (ptrdiff_t kx = 0; kx < s->kernel_width; kx++) {
          if (kx * s->dilation_width % p->step_width != rx) continue;
          taps[count++] = (int32_t)(ky * s->kernel_width + kx);
        }
      }
    }
  }
  first_tap[phase] = (int32_t)count;
}

static void list_offsets(const plan *p, int32_t *offsets) {
  const ck_convolution *s = p->shape;
  const ck_window_size *w = &p->window;
  for (ptrdiff_t phase = 0; phase < p->step_height * p->step_width; phase++) {
    for (ptrdiff_t c = 0; c < p->in_channels; c++) {
      for (int32_t t = p->first_tap[phase]; t < p->first_tap[phase + 1]; t++) {
        ptrdiff_t ky = p->taps[t] / s->kernel_width, kx = p->taps[t] % s->kernel_width;
        ptrdiff_t at = ck_image_offset(s, w, ky, kx);
        if (p->transposed) {
          at = (p->reach_height - ky * s->dilation_height / p->step_height) * w->row_floats +
               p->reach_width - kx * s->dilation_width / p->step_width;
        }
        *offsets++ = (int32_t)(c * w->plane + at);
      }
    }
  }
}

typedef struct {
  const plan *plan;
  const float *weight;
  float *panels;
  ptrdiff_t step;  // input channels per part
} packing;

/// The weights of input channels first ..< end of group g of a transposed convolution.
static void pack_transposed(const packing *job, ptrdiff_t g, ptrdiff_t first, ptrdiff_t end) {
  const plan *p = job->plan;
  ptrdiff_t places = p->shape->kernel_height * p->shape->kernel_width;
  ptrdiff_t width = p->block_channels, out_channels = p->out_channels;
  float *columns = ck_scratch(SCRATCH_PART, p->blocks * width * places);
  float *group = job->panels + g * p->panel_floats;
  for (ptrdiff_t c = first; c < end; c++) {
    const float *from = job->weight + (g * p->in_channels + c) * out_channels * places;
    if (p->few) {
      for (ptrdiff_t t = 0; t < places; t++) {
        for (ptrdiff_t o = 0; o < width; o++) columns[t * width + o] = from[o * places + t];
      }
    } else {
      p->table->pack_transposed_columns(from, places, out_channels, places, columns);
    }
    for (ptrdiff_t phase = 0; phase < p->step_height * p->step_width; phase++) {
      ptrdiff_t begin = p->first_tap[phase], count = p->first_tap[phase + 1] - begin;
      for (ptrdiff_t block = 0; block < p->blocks; block++) {
        float *to = group + (begin * p->blocks + block * count) * p->in_channels * width;
        for (ptrdiff_t t = 0; t < count; t++) {
          const float *row = columns + (block * places + p->taps[begin + t]) * width;
          float *at = to + (c * count + t) * width;
          for (ptrdiff_t i = 0; i < width; i++) at[i] = row[i];
        }
      }
    }
  }
}

/// Output channels first ..< end of group g of a convolution; `first` starts a block.
static void pack_forward(const packing *job, ptrdiff_t g, ptrdiff_t first, ptrdiff_t end) {
  const plan *p = job->plan;
  ptrdiff_t k = p->in_channels * p->shape->kernel_height * p->shape->kernel_width;
  const float *from = job->weight + (g * p->out_channels + first) * k;
  float *to = job->panels + g * p->panel_floats + first * k;
  if (p->few) {
    for (ptrdiff_t i = 0; i < k; i++) {
      for (ptrdiff_t o = 0; o < p->out_channels; o++) *to++ = from[o * k + i];
    }
  } else {
    p->table->pack_transposed_columns(from, k, end - first, k, to);
  }
}

static void pack_part(void *context, ptrdiff_t part) {
  const packing *job = context;
  const plan *p = job->plan;
  ptrdiff_t extent = p->transposed ? p->in_channels : p->out_channels;
  ptrdiff_t parts = divide_up(extent, job->step);
  ptrdiff_t first = part % parts * job->step, end = minimum(first + job->step, extent);
  if (p->transposed) {
    pack_transposed(job, part / parts, first, end);
  } else {
    pack_forward(job, part / parts, first, end);
  }
}

/// Panels by group, phase and block: [in_channels × taps of the phase × block_channels].
static void pack_weights(plan *p, const float *weight, float *panels) {
  packing job = {.plan = p, .weight = weight, .panels = panels};
  ptrdiff_t extent = p->transposed ? p->in_channels : p->out_channels;
  if (p->panel_floats == 0) return;
  job.step = divide_up(extent * 16384, p->panel_floats);
  if (!p->transposed) job.step = divide_up(job.step, p->block_channels) * p->block_channels;
  job.step = minimum(job.step, extent);
  ptrdiff_t parts = p->shape->groups * divide_up(extent, job.step);
  if (p->panel_floats * p->shape->groups > 32768) {
    ck_parallel(parts, pack_part, &job);
  } else {
    for (ptrdiff_t part = 0; part < parts; part++) pack_part(&job, part);
  }
}

static void pack_bias(const plan *p, const float *bias, float *to) {
  for (ptrdiff_t g = 0; g < p->shape->groups; g++) {
    for (ptrdiff_t i = 0; i < p->blocks * p->block_channels; i++) {
      *to++ = i < p->out_channels ? bias[g * p->out_channels + i] : 0;
    }
  }
}

// MARK: - Parts

/// The part that a thread computes: images and a rectangle of their outputs.
typedef struct {
  ptrdiff_t image, images, row, rows, column, columns;
  float *window, *phases;
  ptrdiff_t phase_plane;  // floats of a channel in `phases`
} piece;

/// One phase of a piece: every step-th output, starting with (row, column) of the piece.
typedef struct {
  ptrdiff_t row, column, rows, columns;
  ptrdiff_t source;  // of its first output in the window
  ptrdiff_t index;   // among the phases of the kernel
} phase;

static void fill_window(const plan *p, const piece *r) {
  const ck_convolution *s = p->shape;
  ptrdiff_t channels = p->in_channels * s->groups;
  ck_window w = {.channels = channels,
                 .plane = p->in_height * p->in_width,
                 .height = p->in_height,
                 .width = p->in_width,
                 .rows = p->window.rows,
                 .columns = p->window.columns,
                 .phases = p->window.phases};
  if (p->transposed) {
    w.row = (r->row + s->padding_height) / p->step_height - p->reach_height;
    w.column = (r->column + s->padding_width) / p->step_width - p->reach_width;
  } else {
    w.row = r->row * s->stride_height - s->padding_height;
    w.column = r->column * s->stride_width - s->padding_width;
  }
  for (ptrdiff_t n = 0; n < r->images; n++) {
    w.from = p->in + (r->image + n) * channels * w.plane;
    w.to = r->window + n * channels * p->window.plane;
    p->table->pack_window(&w);
  }
}

static phase phase_of(const plan *p, const piece *r, ptrdiff_t row, ptrdiff_t column) {
  const ck_convolution *s = p->shape;
  phase f = {.row = row, .column = column};
  f.rows = (r->rows - row + p->step_height - 1) / p->step_height;
  f.columns = (r->columns - column + p->step_width - 1) / p->step_width;
  if (!p->transposed) return f;
  ptrdiff_t first_row = r->row + s->padding_height, y = first_row + row;
  ptrdiff_t first_column = r->column + s->padding_width, x = first_column + column;
  f.index = y % p->step_height * p->step_width + x % p->step_width;
  f.source = (y / p->step_height - first_row / p->step_height) * p->window.row_floats +
             x / p->step_width - first_column / p->step_width;
  return f;
}

/// Computes one block of channels of a phase, run by run.
static void compute_phase(const plan *p, const piece *r, const phase *f, ptrdiff_t g,
                          ptrdiff_t block) {
  const ck_table *table = p->table;
  ptrdiff_t begin = p->first_tap[f->index], count = p->first_tap[f->index + 1] - begin;
  ptrdiff_t channel = g * p->out_channels + block * p->block_channels;
  ptrdiff_t out_plane = p->out_height * p->out_width;
  bool apart = p->step_width > 1;
  ck_run_tile tile = {.k = p->in_channels * count, .offsets = p->offsets + begin * p->in_channels};
  tile.panel = p->panels + g * p->panel_floats +
               (begin * p->blocks + block * count) * p->in_channels * p->block_channels;
  if (p->bias) tile.bias = p->bias + (g * p->blocks + block) * p->block_channels;
  tile.channels = minimum(p->block_channels, p->out_channels - block * p->block_channels);
  tile.stride = apart ? r->phase_plane : out_plane;
  tile.length = best_length(p, f->columns);
  int runs = p->few ? table->few_runs : table->run_count(tile.length), filled = 0;
  void (*compute)(const ck_run_tile *) = p->few ? table->few_channel_tile : table->run_tile;
  ptrdiff_t image_floats = p->in_channels * p->shape->groups * p->window.plane;
  const float *group = r->window + g * p->in_channels * p->window.plane + f->source;
  for (ptrdiff_t n = 0; n < r->images; n++) {
    for (ptrdiff_t y = 0; y < f->rows; y++) {
      const float *source = group + n * image_floats + y * p->advance * p->window.row_floats;
      ptrdiff_t row = r->row + f->row + y * p->step_height;
      ptrdiff_t image = (r->image + n) * p->out_channels * p->shape->groups;
      float *target = p->out + (image + channel) * out_plane + row * p->out_width + r->column;
      if (apart) {
        target = r->phases + f->column * r->phase_plane * p->block_channels +
                 (n * f->rows + y) * p->columns;
      }
      for (ptrdiff_t x = 0; x < f->columns; x += tile.length) {
        ptrdiff_t from = minimum(x, f->columns - tile.length);
        tile.source[filled] = source + from;
        tile.target[filled] = target + from;
        if (++filled == runs) {
          compute(&tile);
          filled = 0;
        }
      }
    }
  }
  if (filled == 0) return;
  for (int j = filled; j < runs; j++) {
    tile.source[j] = tile.source[filled - 1];
    tile.target[j] = tile.target[filled - 1];
  }
  compute(&tile);
}

/// Brings the phases of the rows row, row + step, … of a block of channels into their order.
static void join_phases(const plan *p, const piece *r, ptrdiff_t first, ptrdiff_t g,
                        ptrdiff_t block) {
  ptrdiff_t rows = (r->rows - first + p->step_height - 1) / p->step_height;
  ptrdiff_t channels = minimum(p->block_channels, p->out_channels - block * p->block_channels);
  for (ptrdiff_t n = 0; n < r->images; n++) {
    for (ptrdiff_t c = 0; c < channels; c++) {
      ptrdiff_t channel = g * p->out_channels + block * p->block_channels + c;
      ptrdiff_t image = (r->image + n) * p->out_channels * p->shape->groups;
      float *out = p->out + (image + channel) * p->out_height * p->out_width;
      for (ptrdiff_t y = 0; y < rows; y++) {
        const float *from = r->phases + c * r->phase_plane + (n * rows + y) * p->columns;
        ptrdiff_t row = r->row + first + y * p->step_height;
        p->table->interleave(r->columns, p->step_width, from, r->phase_plane * p->block_channels,
                             out + row * p->out_width + r->column);
      }
    }
  }
}

static void compute_part(void *context, ptrdiff_t part) {
  const plan *p = context;
  const ck_convolution *s = p->shape;
  piece r = {.column = part % p->column_parts * p->columns};
  part /= p->column_parts;
  r.row = part % p->row_parts * p->rows;
  r.image = part / p->row_parts * p->images;
  r.images = minimum(p->images, s->batch - r.image);
  r.rows = minimum(p->rows, p->out_height - r.row);
  r.columns = minimum(p->columns, p->out_width - r.column);
  r.phase_plane = p->images * p->rows * p->columns;
  // A vector past the last pixel may be read or written.
  ptrdiff_t window = p->images * s->groups * p->in_channels * p->window.plane + 64;
  ptrdiff_t phases = p->step_width > 1 ? p->step_width * p->block_channels * r.phase_plane : 0;
  r.window = ck_scratch(SCRATCH_PART, window + phases + 64);
  r.phases = r.window + window;
  fill_window(p, &r);
  for (ptrdiff_t g = 0; g < s->groups; g++) {
    for (ptrdiff_t row = 0; row < minimum(p->step_height, r.rows); row++) {
      for (ptrdiff_t block = 0; block < p->blocks; block++) {
        for (ptrdiff_t column = 0; column < minimum(p->step_width, r.columns); column++) {
          phase f = phase_of(p, &r, row, column);
          compute_phase(p, &r, &f, g, block);
        }
        if (p->step_width > 1) join_phases(p, &r, row, g, block);
      }
    }
  }
}

// MARK: - Interface

static void run(plan *p, const float *weight, const float *bias) {
  const ck_convolution *s = p->shape;
  p->table = ck_current();
  p->few = p->out_channels <= p->table->few_channels;
  p->block_channels = p->few ? p->out_channels : p->table->tile_columns;
  p->blocks = divide_up(p->out_channels, p->block_channels);
  choose_parts(p);
  ptrdiff_t places = s->kernel_height * s->kernel_width;
  ptrdiff_t phases = p->step_height * p->step_width;
  ptrdiff_t bias_floats = bias ? s->groups * p->blocks * p->block_channels : 0;
  p->panel_floats = p->in_channels * places * p->blocks * p->block_channels;
  float *panels = ck_scratch(SCRATCH_RIGHT, s->groups * p->panel_floats + bias_floats);
  int32_t *lists = (int32_t *)ck_scratch(SCRATCH_LEFT, phases + 1 + places * (p->in_channels + 1));
  p->first_tap = lists;
  p->taps = lists + phases + 1;
  p->offsets = p->taps + places;
  list_taps(p, lists, lists + phases + 1);
  list_offsets(p, lists + phases + 1 + places);
  pack_weights(p, weight, panels);
  p->panels = panels;
  if (bias) {
    pack_bias(p, bias, panels + s->groups * p->panel_floats);
    p->bias = panels + s->groups * p->panel_floats;
  }
  ptrdiff_t parts = divide_up(s->batch, p->images) * p->row_parts * p->column_parts;
  ck_parallel(parts, compute_part, p);
}

void ck_convolve(const ck_convolution *s, const float *image, const float *weight,
                 const float *bias, float *features) {
  if (s->batch == 0 || s->feature_channels * s->feature_height * s->feature_width == 0) return;
  if (ck_covers_image(s)) {
    ptrdiff_t k = s->image_channels * s->kernel_height * s->kernel_width;
    ptrdiff_t n = s->feature_channels;
    ck_sgemm(false, true, s->batch, n, k, image, k, weight, k, 0, features, n);
    for (ptrdiff_t i = 0; bias && i < s->batch; i++) {
      ck_add(n, features + i * n, bias, features + i * n);
    }
    return;
  }
  plan p = {.shape = s,
            .in = image,
            .out = features,
            .in_channels = s->image_channels / s->groups,
            .out_channels = s->feature_channels / s->groups,
            .in_height = s->image_height,
            .in_width = s->image_width,
            .out_height = s->feature_height,
            .out_width = s->feature_width,
            .step_height = 1,
            .step_width = 1,
            .advance = s->stride_height};
  run(&p, weight, bias);
}

void ck_convolve_transposed(const ck_convolution *s, const float *features, const float *weight,
                            const float *bias, float *image) {
  if (s->batch == 0 || s->image_channels * s->image_height * s->image_width == 0) return;
  if (ck_covers_image(s)) {
    ptrdiff_t plane = s->kernel_height * s->kernel_width, n = s->image_channels * plane;
    ptrdiff_t k = s->feature_channels;
    ck_sgemm(false, false, s->batch, n, k, features, k, weight, n, 0, image, n);
    for (ptrdiff_t i = 0; bias && i < s->batch * s->image_channels; i++) {
      ck_scale_shift(plane, image + i * plane, 1, bias[i % s->image_channels], image + i * plane);
    }
    return;
  }
  plan p = {.shape = s,
            .transposed = true,
            .in = features,
            .out = image,
            .in_channels = s->feature_channels / s->groups,
            .out_channels = s->image_channels / s->groups,
            .in_height = s->feature_height,
            .in_width = s->feature_width,
            .out_height = s->image_height,
            .out_width = s->image_width,
            .step_height = s->stride_height,
            .step_width = s->stride_width,
            .advance = 1,
            .reach_height = (s->kernel_height - 1) * s->dilation_height / s->stride_height,
            .reach_width = (s->kernel_width - 1) * s->dilation_width / s->stride_width};
  run(&p, weight, bias);
}
