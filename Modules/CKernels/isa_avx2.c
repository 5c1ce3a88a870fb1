#if defined(__x86_64__)
#include <immintrin.h>

#include <time.h>

#include "codes.h"
#include "scratch.h"
#include "table.h"

#pragma clang attribute push(__attribute__((target("avx2,fma,f16c,bmi2"))), apply_to = function)
#define LANES 8
#include "simd/all.h"
#pragma clang attribute pop

const ck_table ck_table_avx2 = CK_TABLE("avx2");
#endif
