// Chooses the table of kernels once, when it is first asked for.
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "table.h"

static _Atomic(const ck_table *) current;

#if defined(__x86_64__)
static bool has_avx2(void) {
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
         __builtin_cpu_supports("f16c") && __builtin_cpu_supports("bmi2");
}

static bool has_avx512(void) {
  return has_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
}
#endif

/// The best table that the CPU runs and `limit` allows; NULL allows all.
static const ck_table *choose(const char *limit) {
#if defined(__x86_64__)
  __builtin_cpu_init();
  bool only_baseline = limit && strcmp(limit, "baseline") == 0;
  bool at_most_avx2 = limit && strcmp(limit, "avx2") == 0;
  if (!only_baseline && !at_most_avx2 && has_avx512()) return &ck_table_avx512;
  if (!only_baseline && has_avx2()) return &ck_table_avx2;
#else
  (void)limit;
#endif
  return &ck_table_baseline;
}

const ck_table *ck_current(void) {
  const ck_table *table = atomic_load_explicit(&current, memory_order_relaxed);
  if (__builtin_expect(table == NULL, 0)) {
    table = choose(getenv("APUS_KERNELS"));
    atomic_store_explicit(&current, table, memory_order_relaxed);
  }
  return table;
}

const char *ck_isa(void) { return ck_current()->name; }

#define WRAPPER(result, name, parameters, arguments) \
  result ck_##name parameters { return ck_current()->name arguments; }
CK_DISPATCHED(WRAPPER)
#undef WRAPPER
