// Memory that a thread keeps between calls, so that kernels allocate nothing in steady state.
#ifndef CK_SCRATCH_H
#define CK_SCRATCH_H

#include <stddef.h>

/// What a buffer is for; buffers of one thread with different uses do not meet.
typedef enum {
  SCRATCH_LEFT,   // packed panels of A
  SCRATCH_RIGHT,  // packed panels of B
  SCRATCH_PART,   // whatever one part of a job needs
  SCRATCH_JOB,    // partial results that the caller of a job combines
  SCRATCH_AGAIN,  // what is rounded once more
  SCRATCH_BLOCK,  // what the steps of a block hand on
  SCRATCH_ROWS,   // rows of weights that were codes
  SCRATCH_INPUT,  // an input that a block of outputs scales
  SCRATCH_SUMS,   // the sums of such a block
  SCRATCH_USES
} ck_scratch_use;

/// At least `count` floats, 64-byte aligned, contents undefined. Valid until this thread asks for
/// the same use again.
float *ck_scratch(ck_scratch_use use, ptrdiff_t count);

#endif
