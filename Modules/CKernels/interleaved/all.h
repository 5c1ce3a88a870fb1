// Every kernel of interleaved matrices for one instruction set, and the table that names them.
#pragma clang fp contract(fast)
// Vectors wider than a register pass only through calls that are inlined.
#pragma clang diagnostic ignored "-Wpsabi"
#include "lanes.h"

#include "arrange.h"
#include "units.h"
#include "vector.h"
#include "panel.h"

#define CK_INTERLEAVED_TABLE(isa)   \
  {.name = isa,                     \
   .round_row = round_row,          \
   .build_tables = build_tables,    \
   .multiply_band = multiply_band,  \
   .unpack_band = unpack_band,      \
   .multiply_panel = multiply_panel}
