// AVX-512: sixteen lanes, masks, look-ups in a register.
#include "simd/prelude.h"

#if defined(__x86_64__)
#pragma clang attribute push(                                                         \
    __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,f16c,bmi2"))), \
    apply_to = function)
#define LANES 16
#include "simd/all.h"
#pragma clang attribute pop

const ck_table ck_table_avx512 = CK_TABLE("avx512");
#endif
