// AVX2 with FMA and F16C: eight lanes.
#include "simd/prelude.h"

#if defined(__x86_64__)
#pragma clang attribute push(__attribute__((target("avx2,fma,f16c,bmi2"))), apply_to = function)
#define LANES 8
#include "simd/all.h"
#pragma clang attribute pop

const ck_table ck_table_avx2 = CK_TABLE("avx2");
#endif
