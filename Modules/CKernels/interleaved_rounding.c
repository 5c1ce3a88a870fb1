// Rounds rows of activations for the kernels of interleaved matrices and decides what is rounded
// again.
//
// A unit's values are rounded to the nearest of steps, and what that leaves is measured. Where the units of
// a row leave more than the tolerance allows, the worst are rounded again, as few of them as bring the
// sum below it: mostly the one or two that hold a row's towering activations, whose neighbours have lost
// all their digits. What a further rounding leaves counts as what it leaves at worst, half of its step for
// every value. What each row takes depends on that row alone.
#include "interleaved_rounding.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

#include "scratch.h"

/// Passes that bring the precision of float.
#define PASS_LIMIT 3
/// What a pass divides the square of its bound by.
#define PASS_GAIN (254.0 * 254.0)
#define ROUNDED_TOGETHER 8

// MARK: - The worst units

/// The square of a unit's error, and its bound after another pass; a heap has the largest error in front.
typedef struct {
  double error, next;
  ptrdiff_t unit;
} unit_error;

/// The larger error, of equal ones the first unit: what is chosen must not depend on the heap.
static bool is_worse(unit_error a, unit_error b) {
  return a.error > b.error || (a.error == b.error && a.unit < b.unit);
}

static void sink(unit_error *heap, ptrdiff_t count, ptrdiff_t at) {
  for (;;) {
    ptrdiff_t child = 2 * at + 1;
    if (child >= count) return;
    if (child + 1 < count && is_worse(heap[child + 1], heap[child])) child++;
    if (!is_worse(heap[child], heap[at])) return;
    unit_error other = heap[at];
    heap[at] = heap[child];
    heap[child] = other;
    at = child;
  }
}

/// Adds a pass to the worst units of a row until `error`, the sum of theirs, is at most `budget`.
static void add_passes(unit_error *heap, ptrdiff_t count, double error, double budget,
                       uint8_t *passes) {
  for (ptrdiff_t i = count / 2; i-- > 0;) sink(heap, count, i);
  while (count > 0 && error > budget) {
    error += heap[0].next - heap[0].error;
    passes[heap[0].unit]++;
    heap[0] = heap[--count];
    sink(heap, count, 0);
  }
}

/// What the units of a row come to in the first pass.
typedef struct {
  ptrdiff_t units;
  const float *steps, *errors;  // steps `stride` apart; the squares of errors in steps
  ptrdiff_t stride;
  double bound;   // of the square of an error, in steps
  const float *weights;  // of units, or NULL
  double square;  // of the row
} rounded_units;

/// How often the units of a row are rounded. Returns what is more than once each.
static int32_t choose_passes(const rounded_units *r, float tolerance, uint8_t *passes) {
  memset(passes, 1, (size_t)r->units);
  double error = 0, budget = (double)tolerance * tolerance * r->square;
  for (ptrdiff_t i = 0; i < r->units; i++) {
    double step = r->steps[i * r->stride];
    error += step * step * r->errors[i];
  }
  if (error <= budget) return 0;
  unit_error *heap = (unit_error *)ck_scratch(SCRATCH_PART, 6 * r->units);
  ptrdiff_t count = 0;
  double next = 0;
  for (ptrdiff_t i = 0; i < r->units; i++) {
    double step = r->steps[i * r->stride];
    double weight = r->weights ? r->weights[i] : 1;
    unit_error e = {.error = step * step * r->errors[i],
                    .next = step * step * weight * r->bound / PASS_GAIN,
                    .unit = i};
    if (e.error > 0) heap[count++] = e, next += e.next;
  }
  for (int pass = 1; pass < PASS_LIMIT && error > budget; pass++) {
    if (next <= budget) {
      add_passes(heap, count, error, budget, passes);
      break;
    }
    for (ptrdiff_t i = 0; i < count; i++) {
      heap[i].error = heap[i].next;
      heap[i].next /= PASS_GAIN;
      passes[heap[i].unit]++;
    }
    error = next;
    next /= PASS_GAIN;
  }
  int32_t extra = 0;
  for (ptrdiff_t i = 0; i < r->units; i++) extra += passes[i] - 1;
  return extra;
}

// MARK: - The first pass

/// `count` values of a row from `first` on: in place, or scaled into `memory`.
static const float *values(const ck_rounded_rows *r, ptrdiff_t row, ptrdiff_t first,
                           ptrdiff_t count, float *memory) {
  const float *x = r->x + row * r->stride + first;
  if (r->scales == NULL) return x;
  ck_pair pair = {.rows = 1, .n = count, .a = x, .b = r->scales->scales + first};
  ck_combine(CK_MULTIPLY, &pair, memory);
  return memory;
}

static void round_one(ck_rounded_rows *r, ptrdiff_t row) {
  // A row at a time: what was scaled is read again while it is near.
  const float *x = values(r, row, 0, r->columns,
                          r->scales ? ck_scratch(SCRATCH_INPUT, r->columns) : NULL);
  ptrdiff_t units = r->out.units, tile = r->out.tile;
  const float *weights = r->scales ? r->scales->unit_weights : NULL;
  bool is_finite = true;
  if (r->out.codes) {
    ck_rounding_result result = r->table->round_row(r->columns, x, r->scales, &r->out, row);
    is_finite = result.is_finite;
    rounded_units all = {.units = units,
                         .steps = r->out.steps + row / tile * tile * units + row % tile,
                         .errors = r->out.errors + row * units,
                         .stride = tile,
                         .bound = CK_UNIT / 4.0,
                         .weights = weights,
                         .square = result.square};
    r->extra[row] = choose_passes(&all, r->tolerance, r->codes.passes + row * units);
  }
  if (r->out.tables) {
    ck_rounding_result result = r->table->build_tables(r->columns, x, r->scales, &r->out, row);
    is_finite = is_finite && result.is_finite;
    rounded_units all = {.units = units,
                         .steps = r->out.table_steps + row * units,
                         .errors = r->out.table_errors + row * units,
                         .stride = 1,
                         .bound = 8 / 4.0,
                         .weights = weights,
                         .square = result.square};
    r->extra[r->count + row] = choose_passes(&all, r->tolerance, r->tables.passes + row * units);
  }
  r->is_finite[row] = is_finite;
}

static void round_part(void *context, ptrdiff_t part) {
  ck_rounded_rows *r = context;
  ptrdiff_t end = (part + 1) * ROUNDED_TOGETHER;
  if (end > r->count) end = r->count;
  for (ptrdiff_t row = part * ROUNDED_TOGETHER; row < end; row++) round_one(r, row);
}

static void run(ptrdiff_t parts, ck_part body, void *context) {
  if (parts == 1) {
    body(context, 0);
  } else {
    ck_parallel(parts, body, context);
  }
}

// MARK: - What is rounded again

/// The remainders of one kind, with what writes them.
typedef struct {
  const ck_rounded_rows *rounding;
  const ck_again *again;
} again_job;

static void round_block(void *context, ptrdiff_t block) {
  const again_job *job = context;
  const ck_rounded_rows *r = job->rounding;
  const ck_again *again = job->again;
  ptrdiff_t at = again->starts[block], end = again->starts[block + 1], units = r->out.units;
  ptrdiff_t first = block * again->rows_per_block, last = first + again->rows_per_block;
  if (last > r->count) last = r->count;
  for (ptrdiff_t unit = 0; unit < units && at < end; unit++) {
    for (ptrdiff_t row = first; row < last; row++) {
      int passes = again->passes[row * units + unit];
      if (passes < 2) continue;
      float scaled[CK_UNIT];
      ptrdiff_t left = r->columns - unit * CK_UNIT, count = left < CK_UNIT ? left : CK_UNIT;
      const float *x = values(r, row, unit * CK_UNIT, count, scaled);
      for (int pass = 1; pass < passes; pass++, at++) {
        again->list.units[at] = (int32_t)unit;
        again->list.rows[at] = (int32_t)row;
        if (again->list.codes) {
          r->table->round_again(count, x, pass, &again->list, at);
        } else {
          r->table->build_again(count, x, pass, &again->list, at);
        }
      }
    }
  }
}

/// Counts the remainders of blocks.
static ptrdiff_t count_blocks(const ck_rounded_rows *r, ck_again *again, const int32_t *extra) {
  ptrdiff_t each = again->rows_per_block, total = 0;
  again->starts[0] = 0;
  for (ptrdiff_t row = 0; row < r->count; row++) {
    total += extra[row];
    again->starts[row / each + 1] = total;
  }
  return total;
}

static ptrdiff_t list_floats(ptrdiff_t count, ptrdiff_t floats_of_codes) {
  return (count * floats_of_codes + 15) / 16 * 16 + (4 * count + 15) / 16 * 16;
}

static float *place_list(ck_again *again, ptrdiff_t count, bool is_tables, float *memory) {
  ptrdiff_t floats = is_tables ? 32 : 8;
  if (is_tables) {
    again->list.tables = (uint8_t *)memory;
  } else {
    again->list.codes = (int8_t *)memory;
  }
  float *arrays = memory + (count * floats + 15) / 16 * 16;
  again->list.units = (int32_t *)arrays;
  again->list.rows = (int32_t *)arrays + count;
  again->list.steps = arrays + 2 * count;
  again->list.sums = arrays + 3 * count;
  return memory + list_floats(count, floats);
}

static ptrdiff_t round_remainders(ck_rounded_rows *r) {
  ptrdiff_t codes = r->out.codes ? count_blocks(r, &r->codes, r->extra) : 0;
  ptrdiff_t tables = r->out.tables ? count_blocks(r, &r->tables, r->extra + r->count) : 0;
  if (codes + tables == 0) return 0;
  float *memory = ck_scratch(SCRATCH_AGAIN, list_floats(codes, 8) + list_floats(tables, 32));
  if (codes > 0) {
    memory = place_list(&r->codes, codes, false, memory);
    again_job job = {.rounding = r, .again = &r->codes};
    ptrdiff_t block = r->codes.rows_per_block;
    run((r->count + block - 1) / block, round_block, &job);
  }
  if (tables > 0) {
    place_list(&r->tables, tables, true, memory);
    again_job job = {.rounding = r, .again = &r->tables};
    run(r->count, round_block, &job);
  }
  return codes + tables;
}

// MARK: - Memory

/// Hands out pieces of the thread's memory, each at the start of a cache line.
static void *take(float **memory, ptrdiff_t bytes) {
  void *piece = *memory;
  *memory += (bytes + 63) / 64 * 16;
  return piece;
}

static void place_rows(ck_rounded_rows *r, ptrdiff_t tile, bool has_codes, bool has_tables) {
  ptrdiff_t units = ck_units(r->columns), all = (r->count + tile - 1) / tile * tile * units;
  ptrdiff_t kinds = has_codes + has_tables, rows = r->count;
  ptrdiff_t bytes = (has_codes ? 40 : 0) * all + (has_tables ? 136 : 0) * all;
  bytes += kinds * (5 * rows * units + 8 * (rows + 1)) + 9 * rows + 64 * 14;
  float *memory = ck_scratch(SCRATCH_JOB, bytes / 4 + 16);
  memset(&r->out, 0, sizeof r->out);
  r->out.units = units;
  r->out.tile = tile;
  if (has_codes) {
    r->out.codes = take(&memory, 32 * all);
    r->out.steps = take(&memory, 4 * all);
    r->out.sums = take(&memory, 4 * all);
    r->out.errors = take(&memory, 4 * rows * units);
    r->codes.passes = take(&memory, rows * units);
    r->codes.starts = take(&memory, 8 * (rows + 1));
  }
  if (has_tables) {
    r->out.tables = take(&memory, 128 * all);
    r->out.table_steps = take(&memory, 4 * all);
    r->out.table_sums = take(&memory, 4 * all);
    r->out.table_errors = take(&memory, 4 * rows * units);
    r->tables.passes = take(&memory, rows * units);
    r->tables.starts = take(&memory, 8 * (rows + 1));
  }
  r->is_finite = take(&memory, rows);
  r->extra = take(&memory, 8 * rows);
}

ptrdiff_t ck_round_rows(ck_rounded_rows *r, ptrdiff_t tile, ptrdiff_t block, bool has_codes,
                        bool has_tables) {
  place_rows(r, tile, has_codes, has_tables);
  r->codes.rows_per_block = block;
  r->tables.rows_per_block = 1;
  run((r->count + ROUNDED_TOGETHER - 1) / ROUNDED_TOGETHER, round_part, r);
  return round_remainders(r);
}
