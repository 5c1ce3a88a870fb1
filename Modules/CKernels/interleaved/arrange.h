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

INLINE void load_unit(ptrdiff_t n, const float *x, ptrdiff_t unit, floats v[4]) {
  ptrdiff_t left = n - unit * CK_UNIT;
  if (left >= CK_UNIT) {
    for (int i = 0; i < 4; i++) v[i] = load_floats(x + unit * CK_UNIT + 8 * i);
    return;
  }
  float buffer[CK_UNIT] = {0};
  for (ptrdiff_t i = 0; i < left; i++) buffer[i] = x[unit * CK_UNIT + i];
  for (int i = 0; i < 4; i++) v[i] = load_floats(buffer + 8 * i);
}

/// The codes of v. Clamped even where nothing is out of range: it keeps the compiler from fusing the
/// multiplication into the addition in one pass and not in another, which would break ties apart.
INLINE ints codes_of(floats v, float inverse) {
  return round_to_ints(smaller(larger(v * inverse, (floats)-127.0f), (floats)127.0f));
}

INLINE floats size_of(floats v) { return (floats)((words)v & 0x7fffffff); }

INLINE float sum_of_lanes(floats v) {
  return ((v[0] + v[4]) + (v[2] + v[6])) + ((v[1] + v[5]) + (v[3] + v[7]));
}

/// The sum of the codes of a unit; of the squares of its values and of what the codes leave of them, in
/// steps, where squares of small numbers do not vanish.
typedef struct {
  int sum;
  float square, error;
} code_sums;

/// Rounds a unit, or what `pass` roundings of it left, in steps 254 times smaller each.
INLINE code_sums round_unit(floats v[4], int pass, rounding_step *step, ints q[4]) {
  floats a = larger(size_of(v[0]), size_of(v[1]));
  floats b = larger(size_of(v[2]), size_of(v[3]));
  rounding_step s = step_of(__builtin_reduce_max(larger(a, b)));
  for (int i = 0; i < pass; i++) {
    for (int j = 0; j < 4; j++) v[j] -= to_floats(codes_of(v[j], s.inverse)) * s.step;
    s.step /= 254;
    s.inverse *= 254;
  }
  ints sums = 0;
  floats squares = 0, errors = 0;
  for (int i = 0; i < 4; i++) {
    q[i] = codes_of(v[i], s.inverse);
    sums += q[i];
    floats scaled = v[i] * s.inverse, rest = scaled - to_floats(q[i]);
    squares += scaled * scaled;
    errors += rest * rest;
  }
  *step = s;
  code_sums result = {__builtin_reduce_add(sums), sum_of_lanes(squares), sum_of_lanes(errors)};
  return result;
}

/// Whether 0 · x, summed, is 0.
INLINE bool is_finite(floats checks) {
  float check = checks[0];
  for (int i = 1; i < 8; i++) check += checks[i];
  return check == 0;
}

static ck_rounding_result round_row(ptrdiff_t n, const float *x, const ck_arranged *out,
                                    ptrdiff_t index) {
  double square = 0;
  floats checks = 0;
  ptrdiff_t tile = out->tile, start = index / tile * out->units, lane = index % tile;
  for (ptrdiff_t unit = 0; unit < out->units; unit++) {
    floats v[4];
    ints q[4];
    rounding_step s;
    load_unit(n, x, unit, v);
    for (int i = 0; i < 4; i++) checks += v[i] * 0.0f;
    code_sums sums = round_unit(v, 0, &s, q);
    ptrdiff_t at = (start + unit) * tile + lane;
    int8_t *quads = out->codes + (start + unit) * CK_UNIT * tile + 4 * lane;
    for (int i = 0; i < 4; i++) {
      eight_bytes codes = __builtin_convertvector(q[i], eight_bytes);
      memcpy(quads + 8 * i * tile, &codes, 4);
      memcpy(quads + (8 * i + 4) * tile, (const char *)&codes + 4, 4);
    }
    out->steps[at] = s.step;
    out->sums[at] = s.step * (float)sums.sum;
    out->errors[index * out->units + unit] = sums.error;
    square += (double)s.step * s.step * sums.square;
  }
  ck_rounding_result result = {square, is_finite(checks)};
  return result;
}

static void round_again(ptrdiff_t n, const float *x, ptrdiff_t unit, int pass,
                        const ck_remainders *out, ptrdiff_t index) {
  floats v[4];
  ints q[4];
  rounding_step s;
  load_unit(n, x, unit, v);
  code_sums sums = round_unit(v, pass, &s, q);
  for (int i = 0; i < 4; i++) {
    eight_bytes codes = __builtin_convertvector(q[i], eight_bytes);
    memcpy(out->codes + index * CK_UNIT + 8 * i, &codes, 8);
  }
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
INLINE rounding_step table_step(const float values[CK_UNIT]) {
  float largest = 0;
  for (int i = 0; i < CK_UNIT; i += 4) {
    const float *q = values + i;
    float size = (fabsf(q[0]) + fabsf(q[1])) + (fabsf(q[2]) + fabsf(q[3]));
    largest = size > largest ? size : largest;
  }
  return step_of(largest);
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

static ck_rounding_result build_tables(ptrdiff_t n, const float *x, const ck_arranged *out,
                                       ptrdiff_t index) {
  double square = 0;
  floats checks = 0;
  for (ptrdiff_t unit = 0; unit < out->units; unit++) {
    floats v[4], total = 0;
    load_unit(n, x, unit, v);
    for (int i = 0; i < 4; i++) checks += v[i] * 0.0f;
    float values[CK_UNIT], sum = 0, squares = 0;
    memcpy(values, v, sizeof values);
    for (int i = 0; i < CK_UNIT; i += 4) {
      const float *q = values + i;
      sum += (q[0] + q[1]) + (q[2] + q[3]);
    }
    rounding_step s = table_step(values);
    for (int i = 0; i < 4; i++) total += (v[i] * s.inverse) * (v[i] * s.inverse);
    for (int i = 0; i < 8; i++) squares += total[i];
    ptrdiff_t at = index * out->units + unit;
    floats errors = 0;
    out->table_steps[at] = build_unit(values, s, 0, out->tables + at * 128, &errors);
    out->table_errors[at] = sum_of_lanes(errors) / 16;
    out->table_sums[at] = sum;
    square += (double)s.step * s.step * squares;
  }
  ck_rounding_result result = {square, is_finite(checks)};
  return result;
}

static void build_again(ptrdiff_t n, const float *x, ptrdiff_t unit, int pass,
                        const ck_remainders *out, ptrdiff_t index) {
  floats v[4];
  float values[CK_UNIT];
  load_unit(n, x, unit, v);
  memcpy(values, v, sizeof values);
  floats errors = 0;
  out->steps[index] = build_unit(values, table_step(values), pass, out->tables + index * 128, &errors);
  out->sums[index] = 0;
}
