// Eight codes of `bits` bits, between a row of CK_PACKED words (8 · bits bits, little-endian) and
// one byte each: three steps that each halve or double the distance between neighbours.
#ifndef CK_CODES_H
#define CK_CODES_H

#include <stdint.h>

static inline uint64_t ck_spread_codes(uint64_t word, int bits) {
  uint64_t four = ((uint64_t)1 << 4 * bits) - 1;
  uint64_t two = (((uint64_t)1 << 2 * bits) - 1) * 0x0000000100000001u;
  uint64_t one = (((uint64_t)1 << bits) - 1) * 0x0001000100010001u;
  word = (word & four) | ((word >> 4 * bits) & four) << 32;
  word = (word & two) | ((word >> 2 * bits) & two) << 16;
  return (word & one) | ((word >> bits) & one) << 8;
}

static inline uint64_t ck_gather_codes(uint64_t word, int bits) {
  const uint64_t even = 0x00ff00ff00ff00ff, low = 0x0000ffff0000ffff, half = 0xffffffff;
  word = (word & even) | ((word >> 8) & even) << bits;
  word = (word & low) | ((word >> 16) & low) << 2 * bits;
  return (word & half) | (word >> 32) << 4 * bits;
}

#endif
