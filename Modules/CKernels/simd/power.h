// x to a power that all elements share. Squares, cubes and roots are what they say; the rest is
// 2^(exponent · log₂|x|) in double, because an error of the logarithm counts as often as the
// result has binary digits before the point.
typedef double vd __attribute__((ext_vector_type(LANES)));

INLINE vd to_double(vf v) { return __builtin_convertvector(v, vd); }

/// log₂ of a positive, finite vector: e + 2/ln2 · artanh((m − 1)/(m + 1)), m in [3/4, 3/2].
INLINE vd log2_double(vf x) {
  vi small = x < 0x1p-126f;
  vf scaled = small ? x * 0x1p24f : x;
  vi exponent = (as_int(scaled) - 0x3f400000) & (vi)(int32_t)0xff800000;
  vf e = to_float(exponent) * 0x1p-23f + (small ? (vf)-24.0f : (vf)0.0f);
  vd m = to_double(as_float(as_int(scaled) - exponent));
  vd s = (m - 1.0) / (m + 1.0), u = s * s;
  vd p = u * 0.09793120325281685 + 0.11088026496155055;
  p = p * u + 0.1428605608230307;
  p = p * u + 0.19999997797965735;
  p = p * u + 0.33333333337934606;
  return to_double(e) + 2.8853900817779268 * (s + s * (u * p));
}

/// 2^y.
INLINE vf exp2_double(vd y) {
  const vd magic = 6755399441055744.0;  // 1.5 · 2⁵²
  y = y > 160.0 ? (vd)160.0 : y;
  y = y < -160.0 ? (vd)-160.0 : y;
  vd n = (y + magic) - magic, f = y - n;
  vd p = f * 1.5345807212625958e-4 + 1.3399931181126527e-3;
  p = p * f + 9.61848897493947e-3;
  p = p * f + 5.5503287770840785e-2;
  p = p * f + 0.24022646890469324;
  p = p * f + 0.693147205737193;
  p = p * f + 1.0000000005541902;
  return times_power(__builtin_convertvector(p, vf), __builtin_convertvector(n, vf));
}

/// |x| to a finite power that is not 0.
INLINE vf power_of_magnitude(vf x, float exponent) {
  vf a = magnitude(x);
  vf y = exp2_double(log2_double(a) * (double)exponent);
  vf at_zero = exponent > 0 ? 0.0f : INFINITY, at_infinity = exponent > 0 ? INFINITY : 0.0f;
  y = a == 0.0f ? at_zero : y;
  y = a == INFINITY ? at_infinity : y;
  return a == a ? y : x;
}

/// What the sign of x makes of |x| to the power: negative for an odd one, NaN for a broken one.
typedef enum { POWER_EVEN, POWER_ODD, POWER_BROKEN } power_kind;

INLINE vf power_vector(vf x, float exponent, power_kind kind) {
  vf y = power_of_magnitude(x, exponent);
  if (kind == POWER_ODD) return as_float(as_int(y) | (as_int(x) & INT32_MIN));
  // At −∞ and −0 the power is that of the magnitude even if it is broken.
  if (kind == POWER_BROKEN) {
    vi forbidden = (x < 0.0f) & (x > -INFINITY);
    return forbidden ? (vf)NAN : y;
  }
  return y;
}

INLINE power_kind kind_of_power(float exponent) {
  if (floorf(exponent) != exponent) return POWER_BROKEN;
  return fabsf(exponent) < 0x1p24f && ((int32_t)exponent & 1) ? POWER_ODD : POWER_EVEN;
}
