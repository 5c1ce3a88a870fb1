// What the kernels use from elsewhere, included before any target attribute is pushed.
#if defined(__x86_64__)
#include <immintrin.h>
#endif
#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <time.h>

#include "../codes.h"
#include "../scratch.h"
#include "../table.h"
