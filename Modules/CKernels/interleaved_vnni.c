// AVX-512 VNNI in vectors of 256 bits: products of bytes, fours summed in 32 bits.
#include "interleaved_includes.h"

#if defined(__x86_64__)
#pragma clang attribute push(                                                              \
    __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx2,fma,f16c,bmi2"))), \
    apply_to = function)
#define HAS_DPBUSD
#include "interleaved/all.h"
#pragma clang attribute pop

const ck_interleaved_table ck_interleaved_vnni = CK_INTERLEAVED_TABLE("avx512 vnni");
#endif
