// Thread-local buffers that grow and are freed when their thread ends. All but small blocks are
// aligned to huge pages and ask for them: panels are streamed, and no prefetch crosses a page.
#include "scratch.h"

#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#if defined(__linux__)
#include <sys/mman.h>
#endif

#define HUGE_PAGE ((size_t)2 << 20)
#define SMALL_BYTES ((size_t)128 << 10)

typedef struct {
  float *data[SCRATCH_USES];
  size_t bytes[SCRATCH_USES];
} buffers;

static _Thread_local buffers own;
static pthread_key_t key;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void free_buffers(void *argument) {
  buffers *mine = argument;
  for (int use = 0; use < SCRATCH_USES; use++) {
    free(mine->data[use]);
    mine->data[use] = NULL;
    mine->bytes[use] = 0;
  }
}

static void create_key(void) { pthread_key_create(&key, free_buffers); }

static void grow(ck_scratch_use use, size_t bytes) {
  pthread_once(&once, create_key);
  pthread_setspecific(key, &own);
  size_t alignment = bytes >= SMALL_BYTES ? HUGE_PAGE : 4096;
  bytes = (bytes + alignment - 1) / alignment * alignment;
  free(own.data[use]);
  own.bytes[use] = 0;
  own.data[use] = aligned_alloc(alignment, bytes);
  if (own.data[use] == NULL) abort();
#if defined(__linux__) && defined(MADV_HUGEPAGE)
  if (alignment == HUGE_PAGE) madvise(own.data[use], bytes, MADV_HUGEPAGE);
#endif
  own.bytes[use] = bytes;
}

float *ck_scratch(ck_scratch_use use, ptrdiff_t count) {
  size_t bytes = (size_t)count * sizeof(float);
  if (own.bytes[use] < bytes) grow(use, bytes);
  return own.data[use];
}
