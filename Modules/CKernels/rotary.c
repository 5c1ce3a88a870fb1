// Rotary position embedding (Su et al., "RoFormer") of all heads, forward and backward: the
// gradient of a rotation is the rotation by the negative angle.
#include <string.h>

#include "table.h"

/// Elements worth a part of a job: about 5 µs.
#define PART_ELEMENTS 32768

typedef struct {
  const ck_rotary *arguments;
  const ck_table *table;
  ptrdiff_t rows_per_part;
} rotation;

static void rotate_row(const rotation *job, ptrdiff_t batch, ptrdiff_t row) {
  const ck_rotary *a = job->arguments;
  ptrdiff_t half = a->rotated_width / 2, rest = a->head_width - a->rotated_width;
  ptrdiff_t at = batch * a->table_stride + row * half;
  const float *from = a->x + batch * a->x_strides.batch + row * a->x_strides.row;
  float *to = a->out + batch * a->out_strides.batch + row * a->out_strides.row;
  float sign = a->backward ? -1 : 1;
  for (ptrdiff_t head = 0; head < a->head_count; head++) {
    if (a->neighbours) {
      job->table->rotate_neighbours(half, a->cosines + at, a->sines + at, sign, from, to);
    } else {
      job->table->rotate_halves(half, a->cosines + at, a->sines + at, sign, from, to);
    }
    if (rest > 0 && to != from) {
      memcpy(to + 2 * half, from + 2 * half, (size_t)rest * sizeof(float));
    }
    from += a->x_strides.head;
    to += a->out_strides.head;
  }
}

static void rotate_part(void *context, ptrdiff_t part) {
  const rotation *job = context;
  const ck_rotary *a = job->arguments;
  ptrdiff_t first = part * job->rows_per_part, end = first + job->rows_per_part;
  if (end > a->batch_count * a->row_count) end = a->batch_count * a->row_count;
  for (ptrdiff_t i = first; i < end; i++) rotate_row(job, i / a->row_count, i % a->row_count);
}

void ck_rotate(const ck_rotary *arguments) {
  ptrdiff_t rows = arguments->batch_count * arguments->row_count;
  ptrdiff_t width = arguments->head_count * arguments->head_width;
  if (rows <= 0 || width <= 0) return;
  rotation job = {.arguments = arguments,
                  .table = ck_current(),
                  .rows_per_part = PART_ELEMENTS / width + 1};
  ck_parallel((rows + job.rows_per_part - 1) / job.rows_per_part, rotate_part, &job);
}
