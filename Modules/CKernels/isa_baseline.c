// What every CPU of the architecture has: four lanes of SSE2 or NEON.
#include "simd/prelude.h"

#define LANES 4
#include "simd/all.h"

#if defined(__aarch64__)
const ck_table ck_table_baseline = CK_TABLE("neon");
#else
const ck_table ck_table_baseline = CK_TABLE("baseline");
#endif
