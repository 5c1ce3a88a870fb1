// Every kernel of interleaved matrices for one instruction set, and the table that names them.
#pragma clang fp contract(fast)
// Vectors wider than a register pass only through calls that are inlined.
#pragma clang diagnostic ignored "-Wpsabi"
#include "lanes.h"

#include "arrange.h"
#include "units.h"
#include "vector.h"
#include "panel_lanes.h"
#include "panel.h"
#include "remainders.h"
#include "expand.h"

#define CK_INTERLEAVED_TABLE(isa)   \
  {.name = isa,                     \
   .round_row = round_row,          \
   .build_tables = build_tables,    \
   .round_again = round_again,      \
   .build_again = build_again,      \
   .multiply_band = multiply_band,  \
   .add_remainders = add_remainders, \
   .expand_signs = expand_signs,    \
   .panel_rows = PANEL_ROWS,        \
   .unpack_band = unpack_band,      \
   .multiply_panel = multiply_panel, \
   .add_panel_remainders = add_panel_remainders}
