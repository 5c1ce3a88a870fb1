// Packing and unpacking of codes, eight at a time in a 64-bit word: integers only, so that one copy
// serves every instruction set.
#include "codes.h"

#include <string.h>

#include "include/CKernels.h"

/// Whole groups of eight, eight bytes read and written each; returns the codes done. What a store
/// leaves above its group is written again.
static inline ptrdiff_t pack_groups(ptrdiff_t groups, const uint8_t *codes, int bits,
                                    uint8_t *out) {
  for (ptrdiff_t group = 0; group < groups; group++) {
    uint64_t word;
    memcpy(&word, codes + group * 8, 8);
    word = ck_gather_codes(word, bits);
    memcpy(out + group * bits, &word, 8);
  }
  return groups * 8;
}

static inline ptrdiff_t unpack_groups(ptrdiff_t groups, const uint8_t *in, int bits,
                                      uint8_t *codes) {
  for (ptrdiff_t group = 0; group < groups; group++) {
    uint64_t word;
    memcpy(&word, in + group * bits, 8);
    word = ck_spread_codes(word, bits);
    memcpy(codes + group * 8, &word, 8);
  }
  return groups * 8;
}

/// Calls with a constant width, which the compiler folds into the masks and shifts.
#define WITH_BITS(function, groups, from, bits, to) \
  ((bits) == 1   ? function(groups, from, 1, to)    \
   : (bits) == 2 ? function(groups, from, 2, to)    \
   : (bits) == 3 ? function(groups, from, 3, to)    \
   : (bits) == 4 ? function(groups, from, 4, to)    \
   : (bits) == 5 ? function(groups, from, 5, to)    \
   : (bits) == 6 ? function(groups, from, 6, to)    \
   : (bits) == 7 ? function(groups, from, 7, to)    \
                 : function(groups, from, 8, to))

static ptrdiff_t padded_bytes(ptrdiff_t n, int bits) { return (n * bits + 31) / 32 * 4; }

/// The groups of eight codes whose eight-byte access stays inside the row and the codes.
static ptrdiff_t whole_groups(ptrdiff_t n, int bits) {
  ptrdiff_t groups = n / 8, bytes = padded_bytes(n, bits);
  ptrdiff_t inside = bytes >= 8 ? (bytes - 8) / bits + 1 : 0;
  return groups < inside ? groups : inside;
}

static size_t smaller(ptrdiff_t a, ptrdiff_t b) { return (size_t)(a < b ? a : b); }

void ck_pack(ptrdiff_t n, const uint8_t *codes, int bits, uint32_t *words) {
  uint8_t *out = (uint8_t *)words;
  ptrdiff_t bytes = padded_bytes(n, bits);
  ptrdiff_t i = WITH_BITS(pack_groups, whole_groups(n, bits), codes, bits, out);
  ptrdiff_t at = i / 8 * bits;
  for (; i < n; i += 8, at += bits) {
    uint64_t word = 0;
    memcpy(&word, codes + i, smaller(n - i, 8));
    word = ck_gather_codes(word, bits);
    memcpy(out + at, &word, smaller(bytes - at, bits));
  }
  if (at < bytes) memset(out + at, 0, (size_t)(bytes - at));
}

void ck_unpack(ptrdiff_t n, const uint32_t *words, int bits, uint8_t *codes) {
  const uint8_t *in = (const uint8_t *)words;
  ptrdiff_t bytes = padded_bytes(n, bits);
  ptrdiff_t i = WITH_BITS(unpack_groups, whole_groups(n, bits), in, bits, codes);
  for (ptrdiff_t at = i / 8 * bits; i < n; i += 8, at += bits) {
    uint64_t word = 0;
    memcpy(&word, in + at, smaller(bytes - at, 8));
    word = ck_spread_codes(word, bits);
    memcpy(codes + i, &word, smaller(n - i, 8));
  }
}
