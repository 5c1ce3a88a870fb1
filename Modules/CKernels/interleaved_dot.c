// NEON with dot products of bytes.
#include "interleaved_includes.h"

#if defined(__aarch64__)
#pragma clang attribute push(__attribute__((target("dotprod"))), apply_to = function)
#define HAS_SDOT
#include "interleaved/all.h"
#pragma clang attribute pop

const ck_interleaved_table ck_interleaved_dot = CK_INTERLEAVED_TABLE("neon dot");
#endif
