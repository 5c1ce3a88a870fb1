// Every kernel of one instruction set, in order of dependence, and the table that names them.
#pragma clang fp contract(fast)
// Vectors wider than a register pass only through calls that are inlined.
#pragma clang diagnostic ignored "-Wpsabi"
#include "vector.h"

#include "functions.h"
#include "normal.h"
#include "power.h"
#include "trigonometry.h"
#include "map.h"
#include "reduce.h"
#include "elementwise.h"
#include "apply.h"
#include "gate.h"
#include "random.h"
#include "rows.h"
#include "convert.h"
#include "quantize.h"
#include "binary.h"
#include "expand.h"
#include "dot.h"
#include "packed_dot.h"
#include "tile.h"
#include "combine.h"
#include "pack.h"
#include "attend.h"
#include "attend_codes.h"
#include "softmax.h"
#include "learned_rounding.h"
#include "norms.h"
#include "cross_entropy.h"
#include "losses.h"
#include "rotate.h"
#include "convolve.h"
#include "sparse.h"
#include "channels.h"
#include "planes.h"
#include "optimize.h"
#include "probe.h"

#define CK_ENTRY(result, name, parameters, arguments) .name = kernel_##name,
#define CK_TABLE(isa)                                  \
  {.name = isa,                                        \
   .tile_rows = TILE_ROWS,                             \
   .tile_columns = TILE_COLUMNS,                       \
   .lanes = LANES,                                     \
   .tile = tile,                                       \
   .tile_column = tile_column,                         \
   .pack_rows = pack_rows,                             \
   .pack_transposed_rows = pack_transposed_rows,       \
   .pack_columns = pack_columns,                       \
   .pack_transposed_columns = pack_transposed_columns, \
   .dots = dots,                                       \
   .combine_rows = combine_rows,                       \
   .row_dots = row_dots,                               \
   .arranged_floats = arranged_floats,                 \
   .arrange = arrange,                                 \
   .arranged_dots = arranged_dots,                     \
   .expand_row = kernel_expand_row,                    \
   .attend_row = attend_row,                           \
   .cap_scores = cap_scores,                           \
   .mask_scores = mask_scores,                         \
   .has_plain_grids = has_plain_grids,                 \
   .expand_coded = expand_coded,                       \
   .coded_dots = coded_dots,                           \
   .add_coded = add_coded,                             \
   .attend_gradient = attend_gradient,                 \
   .cap_gradient = cap_gradient,                       \
   .rotate_halves = rotate_halves,                     \
   .rotate_neighbours = rotate_neighbours,             \
   .few_channels = FEW_CHANNELS,                       \
   .run_limit = RUN_LIMIT,                             \
   .few_runs = FEW_RUNS,                               \
   .run_count = run_count,                             \
   .run_tile = run_tile,                               \
   .added_run_tile = added_run_tile,                   \
   .few_channel_tile = few_channel_tile,               \
   .run_dots = run_dots,                               \
   .pack_window = pack_window,                         \
   .interleave = interleave,                           \
   .sum_transposed = sum_transposed,                   \
   .outer_rows = OUTER_ROWS,                           \
   .gather_multiply = gather_multiply,                 \
   .gather_outer = gather_outer,                       \
   CK_DISPATCHED(CK_ENTRY)}
