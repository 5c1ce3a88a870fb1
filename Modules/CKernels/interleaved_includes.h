// What the kernels of interleaved matrices use from elsewhere, before any target attribute.
#ifndef CK_INTERLEAVED_INCLUDES_H
#define CK_INTERLEAVED_INCLUDES_H

#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif
#include <math.h>
#include <stdint.h>
#include <string.h>

#include "interleaved_table.h"

#endif
