// Activations for the kernels: rounded to bytes, or tables of what quads of them sum up to.

/// The step of `largest` = 127 steps and its inverse; both 0 for what counts as zero.
typedef struct {
  float step, inverse;
} rounding_step;

INLINE rounding_step step_of(float largest) {
  rounding_step s = {0, 0};
  if (largest >= 0x1p-119f && largest < INFINITY) {
    s.step = largest / 127;
    s.inverse = 127 / largest;
  }
  return s;
}

// A unit as one vector, which the compiler cuts into registers of any width: two with AVX-512.
typedef float unit_floats __attribute__((ext_vector_type(CK_UNIT)));
typedef int32_t unit_ints __attribute__((ext_vector_type(CK_UNIT)));
typedef int8_t unit_codes __attribute__((ext_vector_type(CK_UNIT)));
typedef float half_unit __attribute__((ext_vector_type(CK_UNIT / 2)));
typedef int32_t half_ints __attribute__((ext_vector_type(CK_UNIT / 2)));

INLINE unit_floats load_unit(ptrdiff_t n, const float *x, ptrdiff_t unit) {
  ptrdiff_t left = n - unit * CK_UNIT;
  unit_floats v = 0;
  if (left >= CK_UNIT) {
    memcpy(&v, x + unit * CK_UNIT, sizeof v);
    return v;
  }
  float buffer[CK_UNIT] = {0};
  for (ptrdiff_t i = 0; i < left; i++) buffer[i] = x[unit * CK_UNIT + i];
  memcpy(&v, buffer, sizeof v);
  return v;
}

INLINE float float_of_bits(int32_t bits) {
  float value;
  memcpy(&value, &bits, sizeof value);
  return value;
}

/// The largest |v|; what is no number counts as above infinity. Sizes are compared as integers, which takes no
/// care of NaN: the step waits for this, and all else for the step.
INLINE float largest_size(unit_floats v) {
  unit_ints size = (unit_ints)v & 0x7fffffff;
  half_ints half = size.lo > size.hi ? size.lo : size.hi;
  return float_of_bits(__builtin_reduce_max(half.lo > half.hi ? half.lo : half.hi));
}

/// (v₀ + v₁) + (v₂ + v₃) of each quad.
INLINE floats sums_of_quads(unit_floats v) {
  half_unit pairs = v.even + v.odd;
  return pairs.even + pairs.odd;
}

INLINE floats sums_of_fours(unit_floats v) {
  half_unit half = v.lo + v.hi;
  return half.lo + half.hi;
}

INLINE unit_ints unit_codes_of(unit_floats v, float inverse) {
  unit_floats scaled = v * inverse;
  scaled = scaled > -127.0f ? scaled : (unit_floats)-127.0f;
  scaled = scaled < 127.0f ? scaled : (unit_floats)127.0f;
  return (unit_ints)(scaled + 12582912.0f) - 0x4b400000;
}

INLINE unit_floats to_unit_floats(unit_ints q) { return __builtin_convertvector(q, unit_floats); }

/// The codes of v. Clamped even where nothing is out of range: it keeps the compiler from fusing the
/// multiplication into the addition in one pass and not in another, which would break ties apart.
INLINE ints codes_of(floats v, float inverse) {
  return round_to_ints(smaller(larger(v * inverse, (floats)-127.0f), (floats)127.0f));
}

INLINE float sum_of_lanes(floats v) {
  typedef float fours __attribute__((ext_vector_type(4)));
  typedef float twos __attribute__((ext_vector_type(2)));
  fours four = v.lo + v.hi;
  twos two = four.lo + four.hi;
  return two[0] + two[1];
}

/// The sum of the codes of a unit; of the squares of its values and of what the codes leave of them, in
/// steps, where squares of small numbers do not vanish.
typedef struct {
  int sum;
  float square, error;
} code_sums;

/// Rounds a unit in its steps, or what `pass` roundings of it left, in steps 254 times smaller each; squares
/// are of what is multiplied with weights, where they are given.
INLINE code_sums round_unit(unit_floats v, int pass, const float *weights, rounding_step *s,
                            unit_codes *codes) {
  for (int i = 0; i < pass; i++) {
    v -= to_unit_floats(unit_codes_of(v, s->inverse)) * s->step;
    s->step /= 254;
    s->inverse *= 254;
  }
  unit_ints q = unit_codes_of(v, s->inverse);
  unit_floats scaled = v * s->inverse, rest = scaled - to_unit_floats(q);
  if (weights) {
    unit_floats weight = load_unit(CK_UNIT, weights, 0);
    scaled *= weight;
    rest *= weight;
  }
  *codes = __builtin_convertvector(q, unit_codes);
  code_sums result = {.sum = __builtin_reduce_add(q),
                      .square = sum_of_lanes(sums_of_fours(scaled * scaled)),
                      .error = sum_of_lanes(sums_of_fours(rest * rest))};
  return result;
}

/// Whether 0 · x, summed, is 0.
INLINE bool is_finite(floats checks) {
  float check = checks[0];
  for (int i = 1; i < 8; i++) check += checks[i];
  return check == 0;
}

/// Units whose steps are found before they are rounded: finding one is a chain of a dozen operations, in which
/// a core does little else.
#define STEPS_AHEAD 16

/// The steps of `count` units from `first` on; returns whether all values are finite.
INLINE bool find_steps(ptrdiff_t n, const float *x, ptrdiff_t first, ptrdiff_t count,
                       rounding_step *steps) {
  bool is_finite = true;
  for (ptrdiff_t i = 0; i < count; i++) {
    float largest = largest_size(load_unit(n, x, first + i));
    is_finite = is_finite && largest < INFINITY;
    steps[i] = step_of(largest);
  }
  return is_finite;
}

INLINE ck_rounding_result round_weighed(ptrdiff_t n, const float *x, const float *weights,
                                        const ck_arranged *out, ptrdiff_t index) {
  double square = 0;
  bool is_finite = true;
  rounding_step steps[STEPS_AHEAD];
  const ck_arranged to = *out;  // what is written might be these pointers, for all that the compiler knows
  ptrdiff_t tile = to.tile, start = index / tile * to.units, lane = index % tile;
  for (ptrdiff_t unit = 0; unit < to.units; unit++) {
    if (unit % STEPS_AHEAD == 0) {
      ptrdiff_t count = to.units - unit < STEPS_AHEAD ? to.units - unit : STEPS_AHEAD;
      is_finite = find_steps(n, x, unit, count, steps) && is_finite;
    }
    rounding_step s = steps[unit % STEPS_AHEAD];
    unit_codes codes;
    const float *weight = weights ? weights + unit * CK_UNIT : NULL;
    code_sums sums = round_unit(load_unit(n, x, unit), 0, weight, &s, &codes);
    ptrdiff_t at = (start + unit) * tile + lane;
    int8_t *quads = to.codes + (start + unit) * CK_UNIT * tile + 4 * lane;
    if (tile == 1) {
      memcpy(quads, &codes, sizeof codes);
    } else {
      for (int i = 0; i < 8; i++) memcpy(quads + 4 * i * tile, (const char *)&codes + 4 * i, 4);
    }
    to.steps[at] = s.step;
    to.sums[at] = s.step * (float)sums.sum;
    to.errors[index * to.units + unit] = sums.error;
    square += (double)s.step * s.step * sums.square;
  }
  ck_rounding_result result = {square, is_finite};
  return result;
}

static ck_rounding_result round_row(ptrdiff_t n, const float *x, const ck_column_scales *scales,
                                    const ck_arranged *out, ptrdiff_t index) {
  if (scales) return round_weighed(n, x, scales->weights, out, index);
  return round_weighed(n, x, NULL, out, index);
}

static void round_again(ptrdiff_t n, const float *x, int pass, const ck_remainders *out,
                        ptrdiff_t index) {
  unit_codes codes;
  unit_floats v = load_unit(n, x, 0);
  rounding_step s = step_of(largest_size(v));
  code_sums sums = round_unit(v, pass, NULL, &s, &codes);
  memcpy(out->codes + index * CK_UNIT, &codes, sizeof codes);
  out->steps[index] = s.step;
  out->sums[index] = s.step * (float)sums.sum;
}

// MARK: - Tables

/// The sums ±x₀ ± x₁ ± x₂ ± x₃ of a quad: bit t of the index gives the sign of x_t.
INLINE void signed_sums(const float *x, floats sums[2]) {
  const floats first = {-1, 1, -1, 1, -1, 1, -1, 1}, second = {-1, -1, 1, 1, -1, -1, 1, 1};
  const floats third = {-1, -1, -1, -1, 1, 1, 1, 1};
  floats three = x[0] * first + x[1] * second + x[2] * third;
  sums[0] = three - x[3];
  sums[1] = three + x[3];
}

/// The step of the tables of a unit: of its largest sum of sizes of a quad.
INLINE rounding_step table_step(unit_floats v) {
  floats sizes = sums_of_quads((unit_floats)((unit_ints)v & 0x7fffffff));
  return step_of(float_of_bits(__builtin_reduce_max((ints)sizes)));
}

/// The tables of a unit, or of what `pass` roundings of theirs left; returns their step. Adds the squares
/// of what they leave, in steps, to `errors`.
INLINE float build_unit(const float values[CK_UNIT], rounding_step s, int pass, uint8_t *tables,
                        floats *errors) {
  float steps[3] = {s.step, s.step / 254, s.step / 254 / 254};
  float inverses[3] = {s.inverse, s.inverse * 254, s.inverse * 254 * 254};
  for (int i = 0; i < 8; i++) {
    floats sums[2];
    signed_sums(values + 4 * i, sums);
    for (int half = 0; half < 2; half++) {
      floats rest = sums[half];
      for (int j = 0; j < pass; j++) {
        rest -= to_floats(codes_of(rest, inverses[j])) * steps[j];
      }
      ints q = codes_of(rest, inverses[pass]);
      floats left = rest * inverses[pass] - to_floats(q);
      *errors += left * left;
      eight_bytes entries = __builtin_convertvector(q + 128, eight_bytes);
      memcpy(tables + i * 16 + 8 * half, &entries, 8);
    }
  }
  return steps[pass];
}

static ck_rounding_result build_tables(ptrdiff_t n, const float *x, const ck_column_scales *scales,
                                       const ck_arranged *out, ptrdiff_t index) {
  double square = 0;
  floats checks = 0;
  for (ptrdiff_t unit = 0; unit < out->units; unit++) {
    unit_floats v = load_unit(n, x, unit);
    checks += sums_of_fours(v * 0.0f);
    float values[CK_UNIT];
    memcpy(values, &v, sizeof values);
    rounding_step s = table_step(v);
    unit_floats scaled = v * s.inverse;
    // An entry's error is that of four values together.
    float weight = scales ? scales->unit_weights[unit] : 1;
    if (scales) scaled *= load_unit(CK_UNIT, scales->weights + unit * CK_UNIT, 0);
    float squares = sum_of_lanes(sums_of_fours(scaled * scaled));
    ptrdiff_t at = index * out->units + unit;
    floats errors = 0;
    out->table_steps[at] = build_unit(values, s, 0, out->tables + at * 128, &errors);
    out->table_errors[at] = weight * sum_of_lanes(errors) / 16;
    out->table_sums[at] = sum_of_lanes(sums_of_quads(v));
    square += (double)s.step * s.step * squares;
  }
  ck_rounding_result result = {square, is_finite(checks)};
  return result;
}

static void build_again(ptrdiff_t n, const float *x, int pass, const ck_remainders *out,
                        ptrdiff_t index) {
  unit_floats v = load_unit(n, x, 0);
  float values[CK_UNIT];
  memcpy(values, &v, sizeof values);
  floats errors = 0;
  out->steps[index] = build_unit(values, table_step(v), pass, out->tables + index * 128, &errors);
  out->sums[index] = 0;
}
