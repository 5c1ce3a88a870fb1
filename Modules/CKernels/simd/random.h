// Philox 4×32-10 for many blocks at once, and dropout, whose mask is drawn again when it is needed.
//
// Element i takes word (i mod 64) / 16 of block (i / 64) · 16 + i mod 16: a chunk of 64 elements is
// 16 blocks side by side, the same on every instruction set.
#define RANDOM_CHUNK 64
typedef uint64_t vul __attribute__((ext_vector_type(LANES)));

INLINE vul wide(vu v) { return __builtin_convertvector(v, vul); }
INLINE vu narrow(vul v) { return __builtin_convertvector(v, vu); }

/// The 64 words of chunk `chunk`.
INLINE void random_words(const ck_random *source, uint64_t chunk, uint32_t words[RANDOM_CHUNK]) {
  for (int first = 0; first < 16; first += LANES) {
    vu lane;
    for (int i = 0; i < LANES; i++) lane[i] = (uint32_t)(first + i);
    uint64_t block = chunk * 16;
    vu x = (vu)(uint32_t)block + lane, y = (vu)(uint32_t)(block >> 32);
    vu z = (vu)(uint32_t)source->stream, w = (vu)(uint32_t)(source->stream >> 32);
    uint32_t key0 = source->key0, key1 = source->key1;
    for (int round = 0; round < 10; round++) {
      vul p = wide(x) * 0xD2511F53u, q = wide(z) * 0xCD9E8D57u;
      vu next_x = narrow(q >> 32) ^ y ^ key0, next_z = narrow(p >> 32) ^ w ^ key1;
      y = narrow(q), w = narrow(p);
      x = next_x, z = next_z;
      key0 += 0x9E3779B9u, key1 += 0xBB67AE85u;
    }
    memcpy(words + first, &x, sizeof x);
    memcpy(words + 16 + first, &y, sizeof y);
    memcpy(words + 32 + first, &z, sizeof z);
    memcpy(words + 48 + first, &w, sizeof w);
  }
}

static void kernel_random_words(const ck_random *source, ptrdiff_t n, uint64_t chunk,
                                uint32_t *out) {
  uint32_t words[RANDOM_CHUNK];
  for (ptrdiff_t i = 0; i < n; i += RANDOM_CHUNK, chunk++) {
    random_words(source, chunk, words);
    ptrdiff_t count = n - i < RANDOM_CHUNK ? n - i : RANDOM_CHUNK;
    memcpy(out + i, words, (size_t)count * sizeof *words);
  }
}

/// Keeps x · scale where the word is at least `threshold`, else 0.
static void kernel_dropout(const ck_random *source, ptrdiff_t n, uint64_t chunk, uint32_t threshold,
                           float scale, const float *x, float *out) {
  uint32_t words[RANDOM_CHUNK];
  for (ptrdiff_t i = 0; i < n; i += RANDOM_CHUNK, chunk++) {
    random_words(source, chunk, words);
    ptrdiff_t count = n - i < RANDOM_CHUNK ? n - i : RANDOM_CHUNK;
    for (ptrdiff_t j = 0; j < count; j++) {
      float kept = x[i + j] * scale;
      out[i + j] = words[j] >= threshold ? kept : 0.0f;
    }
  }
}
