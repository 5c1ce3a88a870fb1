// AVX2: products of unsigned and signed bytes, pairs summed in 16 bits.
#include "interleaved_includes.h"

#if defined(__x86_64__)
#pragma clang attribute push(__attribute__((target("avx2,fma,f16c,bmi2"))), apply_to = function)
#define HAS_MADDUBS
#include "interleaved/all.h"
#pragma clang attribute pop

const ck_interleaved_table ck_interleaved_avx2 = CK_INTERLEAVED_TABLE("avx2");
#endif
