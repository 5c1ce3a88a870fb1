// What the machine can do at best, for benchmarks to measure against.

/// Independent multiply-add chains: enough for the latency times the pipes (4 · 2 on x86, 4 · 4 on
/// Apple's cores), few enough for the registers.
#if defined(__aarch64__)
#define PROBE_CHAINS 24
#else
#define PROBE_CHAINS 12
#endif

static double thread_seconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static double kernel_probe_fma(double seconds) {
  volatile float factor = 0.999999f, term = 1e-6f;
  vf x[PROBE_CHAINS], a = factor, b = term;
  for (int j = 0; j < PROBE_CHAINS; j++) x[j] = (float)j;
  double operations = 0, elapsed = 0;
  double start = thread_seconds();
  while (elapsed < seconds) {
    for (int i = 0; i < 10000; i++) {
#pragma clang loop unroll(full)
      for (int j = 0; j < PROBE_CHAINS; j++) x[j] = x[j] * a + b;
    }
    operations += 10000.0 * PROBE_CHAINS * LANES * 2;
    elapsed = thread_seconds() - start;
  }
  vf sum = 0;
  for (int j = 0; j < PROBE_CHAINS; j++) sum += x[j];
  volatile float keep = sum_lanes(sum);
  (void)keep;
  return operations / elapsed;
}

static double kernel_probe_read(ptrdiff_t n, const float *x) { return sum_of(n, x); }
