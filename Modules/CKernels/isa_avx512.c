#if defined(__x86_64__)
#include <immintrin.h>

#include <time.h>

#include "codes.h"
#include "scratch.h"
#include "table.h"

#pragma clang attribute push(__attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,f16c,bmi2"))), apply_to = function)
#define LANES 16
#include "simd/all.h"
#pragma clang attribute pop

const ck_table ck_table_avx512 = CK_TABLE("avx512");
#endif
