// The thread pool: one job at a time, shared between the caller and workers that only help.
//
// The parts of a job are cut into as many contiguous lanes as threads may work. Each thread takes
// the parts of a lane of its own in order, then what is left of the others'. Neighbouring parts are
// neighbouring memory: what a kernel or the processor has asked for ahead is then this core's own
// next part, not another's, and a lane's counter stays in one core's cache. Products of one row with
// weights in memory are 1.6 to 1.8 times as fast on two cores of Zen 5 as with parts in turns.
//
// Workers enter a job through one 64-bit word, (generation, places left), decremented by
// compare-and-swap; they count themselves out at the end. The caller works without a place, closes
// the door when no part is left, and waits for those inside alone, so that a worker which the system
// did not schedule costs nothing: a pool that waits for each worker's check-in was 60 times slower
// on a shared machine. The job's fields are read between loading the word and swapping it; a swap
// that succeeds with places left proves that the job is still the one that was read, because the
// fields change only after its door was closed and everyone had left.
//
// Workers spin for about 50 µs, the gap between two products of a decoder, then sleep on a
// condition variable. They are detached, created on the first job that needs them, and touch
// nothing but static data, so that the process may exit at any time. A forked child starts with an
// empty pool.
#if defined(__linux__)
#define _GNU_SOURCE
#include <sched.h>
#endif
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "include/CKernels.h"

#define MAXIMUM_THREADS 256
#define SPIN_NANOSECONDS 50000
#define PLACES_BITS 16
#define PLACES_MASK (((uint64_t)1 << PLACES_BITS) - 1)

static struct {
  // What a worker reads to enter shares the cache line of the word that it polls.
  _Alignas(128) _Atomic uint64_t word;
  _Atomic(ck_part) body;
  _Atomic(void *) context;
  _Atomic ptrdiff_t lanes;
  _Atomic int worker_limit;
  _Atomic int caller_core;
  _Alignas(128) _Atomic uint64_t left;  // how many workers ever left a job
  _Alignas(128) atomic_bool busy;
  _Atomic uint64_t asleep;  // a bit for each bed with a sleeper
} job;

/// The parts [next, end) that nobody has taken.
static struct {
  _Alignas(128) _Atomic ptrdiff_t next;
  _Atomic ptrdiff_t end;
} lanes[MAXIMUM_THREADS];

static _Atomic int thread_count;
static int worker_count;  // guarded by job.busy
/// Where workers sleep: each in a bed of its own, so that a job wakes those that it has places for; the last
/// bed is that of all others.
#define BEDS 64
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t beds[BEDS];  // made in set_up
static int sleepers_of_last_bed;   // guarded by the mutex
static pthread_once_t once = PTHREAD_ONCE_INIT;
static _Thread_local bool inside_part;

static inline void relax(void) {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}

static int64_t nanoseconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

// MARK: - Work

/// Runs the parts of a lane, then what is left of the others.
static void run_lanes(ck_part body, void *context, ptrdiff_t first, ptrdiff_t count) {
  for (ptrdiff_t i = 0; i < count; i++) {
    ptrdiff_t lane = (first + i) % count;
    ptrdiff_t end = atomic_load_explicit(&lanes[lane].end, memory_order_relaxed);
    while (atomic_load_explicit(&lanes[lane].next, memory_order_relaxed) < end) {
      ptrdiff_t part = atomic_fetch_add_explicit(&lanes[lane].next, 1, memory_order_relaxed);
      if (part < end) body(context, part);
    }
  }
}

/// Enters the current job and works until no part is left. False when there was no place.
static bool help(int worker) {
  uint64_t word = atomic_load_explicit(&job.word, memory_order_acquire);
  for (;;) {
    if ((word & PLACES_MASK) == 0) return false;
    ck_part body = atomic_load_explicit(&job.body, memory_order_relaxed);
    void *context = atomic_load_explicit(&job.context, memory_order_relaxed);
    ptrdiff_t count = atomic_load_explicit(&job.lanes, memory_order_relaxed);
    if (worker >= atomic_load_explicit(&job.worker_limit, memory_order_relaxed)) return false;
    if (atomic_compare_exchange_weak_explicit(&job.word, &word, word - 1, memory_order_acq_rel,
                                              memory_order_acquire)) {
      run_lanes(body, context, (worker + 1) % count, count);
      atomic_fetch_add_explicit(&job.left, 1, memory_order_release);
      return true;
    }
  }
}

static bool has_work(int worker) {
  uint64_t word = atomic_load(&job.word);
  return (word & PLACES_MASK) != 0 &&
         worker < atomic_load_explicit(&job.worker_limit, memory_order_relaxed);
}

// MARK: - Cores

static int current_core(void) {
#if defined(__linux__)
  return sched_getcpu();
#else
  return -1;
#endif
}

/// Moves this worker to another core if it got onto the caller's, where the system may leave it for
/// many milliseconds while others idle.
static void leave_core_of_caller(void) {
#if defined(__linux__)
  int core = atomic_load_explicit(&job.caller_core, memory_order_relaxed);
  cpu_set_t allowed, others;
  if (core < 0 || core >= CPU_SETSIZE || core != sched_getcpu()) return;
  if (sched_getaffinity(0, sizeof allowed, &allowed) != 0) return;
  others = allowed;
  CPU_CLR(core, &others);
  // The first call moves the thread, the second leaves the choice to the system again.
  if (CPU_COUNT(&others) == 0 || sched_setaffinity(0, sizeof others, &others) != 0) return;
  sched_setaffinity(0, sizeof allowed, &allowed);
#endif
}

// MARK: - Workers

static int bed_of(int worker) { return worker < BEDS - 1 ? worker : BEDS - 1; }

/// Sleeps until a job arrives; back to spinning then, even when others have finished it meanwhile:
/// a short job is over before a sleeper wakes, but the next one may follow at once.
static void sleep_until_called(int worker) {
  int bed = bed_of(worker);
  pthread_mutex_lock(&mutex);
  if (bed == BEDS - 1) sleepers_of_last_bed++;
  // Sequentially consistent, as is the caller's store of the word before it loads `asleep`: at least one
  // of the two sees the other.
  atomic_fetch_or(&job.asleep, UINT64_C(1) << bed);
  if (!has_work(worker)) pthread_cond_wait(&beds[bed], &mutex);
  if (bed < BEDS - 1 || --sleepers_of_last_bed == 0) {
    atomic_fetch_and(&job.asleep, ~(UINT64_C(1) << bed));
  }
  pthread_mutex_unlock(&mutex);
}

static void *work(void *argument) {
  int worker = (int)(intptr_t)argument;
  inside_part = true;
  for (;;) {
    leave_core_of_caller();
    int64_t deadline = nanoseconds() + SPIN_NANOSECONDS;
    while (nanoseconds() < deadline) {
      if (help(worker)) deadline = nanoseconds() + SPIN_NANOSECONDS;
      for (int i = 0; i < 16 && !has_work(worker); i++) relax();
    }
    sleep_until_called(worker);
  }
  return NULL;
}

// MARK: - Set-up

static int available_cores(void) {
#if defined(__linux__)
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) == 0) return CPU_COUNT(&set);
#endif
  return (int)sysconf(_SC_NPROCESSORS_ONLN);
}

static int clamp_count(int count) {
  return count < 1 ? 1 : count > MAXIMUM_THREADS ? MAXIMUM_THREADS : count;
}

static void make_beds(void) {
  for (int bed = 0; bed < BEDS; bed++) pthread_cond_init(&beds[bed], NULL);
}

static void forget_workers(void) {
  worker_count = 0;
  sleepers_of_last_bed = 0;
  atomic_store(&job.asleep, 0);
  atomic_store(&job.busy, false);
  // A child of a thread inside a part ends its job alone, as if nobody had entered.
  atomic_store(&job.word, inside_part ? (uint64_t)(job.lanes - 1) : 0);
  pthread_mutex_init(&mutex, NULL);
  make_beds();
}

static void set_up(void) {
  int cores = available_cores();
  const char *wanted = getenv("APUS_THREADS");
  int count = wanted ? atoi(wanted) : cores;
  if (count < 1 || count > cores) count = cores;
  atomic_store(&thread_count, clamp_count(count));
  make_beds();
  pthread_atfork(NULL, NULL, forget_workers);
}

/// Makes sure that `wanted` workers exist; fewer are left when the system refuses a thread.
static void create_workers(int wanted) {
  pthread_attr_t attributes;
  if (worker_count >= wanted || pthread_attr_init(&attributes) != 0) return;
  pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
  while (worker_count < wanted) {
    pthread_t thread;
    if (pthread_create(&thread, &attributes, work, (void *)(intptr_t)worker_count) != 0) break;
    worker_count++;
  }
  pthread_attr_destroy(&attributes);
}

// MARK: - Interface

int ck_thread_count(void) {
  pthread_once(&once, set_up);
  return atomic_load(&thread_count);
}

void ck_set_thread_count(int count) {
  pthread_once(&once, set_up);
  atomic_store(&thread_count, clamp_count(count));
}

static void run_serially(ptrdiff_t parts, ck_part body, void *context) {
  bool was_inside = inside_part;
  inside_part = true;
  for (ptrdiff_t part = 0; part < parts; part++) body(context, part);
  inside_part = was_inside;
}

/// Wakes those of the first `workers` that sleep.
static void wake(int workers) {
  uint64_t wanted = workers < BEDS ? (UINT64_C(1) << workers) - 1 : ~UINT64_C(0);
  if ((atomic_load(&job.asleep) & wanted) == 0) return;
  pthread_mutex_lock(&mutex);
  for (int bed = 0; bed < BEDS && bed < workers; bed++) {
    if (atomic_load_explicit(&job.asleep, memory_order_relaxed) >> bed & 1) {
      pthread_cond_broadcast(&beds[bed]);
    }
  }
  pthread_mutex_unlock(&mutex);
}

/// Opens a job of `count` lanes for all but the caller.
static void open_job(ptrdiff_t parts, ck_part body, void *context, ptrdiff_t count) {
  for (ptrdiff_t i = 0; i < count; i++) {
    atomic_store_explicit(&lanes[i].next, parts * i / count, memory_order_relaxed);
    atomic_store_explicit(&lanes[i].end, parts * (i + 1) / count, memory_order_relaxed);
  }
  atomic_store_explicit(&job.body, body, memory_order_relaxed);
  atomic_store_explicit(&job.context, context, memory_order_relaxed);
  atomic_store_explicit(&job.lanes, count, memory_order_relaxed);
  atomic_store_explicit(&job.worker_limit, (int)count - 1, memory_order_relaxed);
  atomic_store_explicit(&job.caller_core, current_core(), memory_order_relaxed);
  uint64_t word = atomic_load_explicit(&job.word, memory_order_relaxed);
  uint64_t generation = (word >> PLACES_BITS) + 1;
  atomic_store(&job.word, (generation << PLACES_BITS) | (uint64_t)(count - 1));
  wake((int)count - 1);
}

/// Lets nobody in any more and waits until all have left who entered.
static void close_job(ptrdiff_t count, uint64_t left_before) {
  uint64_t word = atomic_fetch_and_explicit(&job.word, ~PLACES_MASK, memory_order_acq_rel);
  uint64_t entered = (uint64_t)(count - 1) - (word & PLACES_MASK);
  int64_t deadline = 0;
  uint64_t expected = left_before + entered;
  for (unsigned i = 1; atomic_load_explicit(&job.left, memory_order_acquire) < expected; i++) {
    relax();
    if (i % 16 != 0) continue;
    int64_t now = nanoseconds();
    if (deadline == 0) deadline = now + SPIN_NANOSECONDS;
    if (now > deadline) sched_yield();
  }
}

void ck_parallel(ptrdiff_t parts, ck_part body, void *context) {
  int threads = ck_thread_count();
  bool serial = inside_part || parts < 2 || threads < 2;
  if (serial || atomic_exchange_explicit(&job.busy, true, memory_order_acquire)) {
    run_serially(parts, body, context);
    return;
  }
  ptrdiff_t count = parts < threads ? parts : threads;
  create_workers((int)count - 1);
  inside_part = true;
  uint64_t left = atomic_load_explicit(&job.left, memory_order_relaxed);
  open_job(parts, body, context, count);
  run_lanes(body, context, 0, count);
  close_job(count, left);
  inside_part = false;
  atomic_store_explicit(&job.busy, false, memory_order_release);
}
