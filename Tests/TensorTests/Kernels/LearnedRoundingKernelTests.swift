import CKernels
import Testing

@Suite struct LearnedRoundingKernelTests {
  /// One row with everything that the kernel reads.
  struct Sample {
    var n: Int
    var group: Int
    var x: [Float]
    var full: [Float]
    var column: [Float]
    var row: Float
    var base: [Float]
    var first: [Float]
    var step: [Float]
    var low: [Float]
    var high: [Float]

    init(_ n: Int, group: Int, _ samples: inout KernelSamples) {
      let groups = (n + group - 1) / group
      (self.n, self.group) = (n, group)
      x = samples.floats(n)
      full = samples.floats(n, 0.5)
      column = samples.floats(n, 0.3)
      row = samples.float(0.2)
      base = samples.floats(groups).map { 0.1 + 0.05 * $0 }
      first = samples.floats(groups, 0.1)
      step = zip(base, first).map { $0 * (1 + $1) }
      low = samples.floats(groups, 3).map { -4 + $0.rounded() }
      high = low.map { $0 + 7 }
    }

    /// u by the definition, in Double.
    func quotient(_ i: Int, hasShift: Bool) -> Double {
      let at = i / group
      let shift = hasShift ? Double(full[i]) + Double(column[i]) : 0
      let exponent = Double(first[at]) + Double(row) + shift
      return Double(x[i]) / (Double(base[at]) * exponential(exponent))
    }

    /// exp by its series: the arguments are small.
    private func exponential(_ x: Double) -> Double {
      var (term, sum) = (1.0, 1.0)
      for k in 1..<40 {
        term *= x / Double(k)
        sum += term
      }
      return sum
    }

    func withView<Result>(hasShift: Bool, _ body: (UnsafePointer<ck_rounding>) -> Result) -> Result
    {
      x.withUnsafeBufferPointer { x in
        full.withUnsafeBufferPointer { full in
          column.withUnsafeBufferPointer { column in
            base.withUnsafeBufferPointer { base in
              first.withUnsafeBufferPointer { first in
                step.withUnsafeBufferPointer { step in
                  low.withUnsafeBufferPointer { low in
                    high.withUnsafeBufferPointer { high in
                      var view = ck_rounding()
                      (view.n, view.group, view.row) = (n, group, row)
                      view.x = x.baseAddress
                      view.full = hasShift ? full.baseAddress : nil
                      view.column = hasShift ? column.baseAddress : nil
                      view.base = base.baseAddress
                      view.first = first.baseAddress
                      view.step = step.baseAddress
                      view.low = low.baseAddress
                      view.high = high.baseAddress
                      return body(&view)
                    }
                  }
                }
              }
            }
          }
        }
      }
    }
  }

  static let shapes = [
    (1, 1), (3, 1), (17, 17), (17, 4), (33, 1), (130, 16), (2500, 2500), (1500, 1),
  ]

  @Test(arguments: shapes, [false, true])
  func valuesFollowTheDefinition(shape: (n: Int, group: Int), hasShift: Bool) {
    var samples = KernelSamples(seed: 71)
    let sample = Sample(shape.n, group: shape.group, &samples)
    var u = [Float](repeating: 9, count: shape.n + 1)
    var value = u
    sample.withView(hasShift: hasShift) { ck_round_learned($0, &u, &value) }
    #expect(u.last == 9 && value.last == 9)
    for i in 0..<shape.n {
      let expected = sample.quotient(i, hasShift: hasShift)
      #expect(abs(Double(u[i]) - expected) <= 2e-6 * (abs(expected) + 1e-3), "element \(i)")
      let at = i / shape.group
      let integer = min(max(u[i].rounded(.toNearestOrEven), sample.low[at]), sample.high[at])
      #expect(value[i] == sample.step[at] * integer, "element \(i)")
    }
  }

  @Test(arguments: shapes)
  func gradientsFollowTheDefinition(shape: (n: Int, group: Int)) {
    var samples = KernelSamples(seed: 72)
    let sample = Sample(shape.n, group: shape.group, &samples)
    let (u, g) = (samples.floats(shape.n, 9), samples.floats(shape.n))
    let groups = sample.base.count
    var shift = [Float](repeating: 9, count: shape.n)
    var input = shift
    var steps = [Float](repeating: 9, count: groups)
    let total = sample.withView(hasShift: true) { view in
      u.withUnsafeBufferPointer { u in
        g.withUnsafeBufferPointer { g in
          shift.withUnsafeMutableBufferPointer { shift in
            input.withUnsafeMutableBufferPointer { input in
              steps.withUnsafeMutableBufferPointer { steps in
                var back = ck_rounding_gradient(
                  gradient: g.baseAddress,
                  u: u.baseAddress,
                  shift: shift.baseAddress,
                  input: input.baseAddress,
                  step: steps.baseAddress
                )
                return ck_round_learned_gradient(view, &back)
              }
            }
          }
        }
      }
    }
    var sum = 0.0
    var expected = [Double](repeating: 0, count: groups)
    for i in 0..<shape.n {
      let at = i / shape.group
      let n = u[i].rounded(.toNearestOrEven)
      let inside = n >= sample.low[at] && n <= sample.high[at]
      let a = inside ? -(g[i] * sample.step[at] * u[i]) : 0
      #expect(abs(shift[i] - a) <= 1e-6 * abs(a))
      #expect(input[i] == (inside ? g[i] : 0))
      let integer = Double(min(max(n, sample.low[at]), sample.high[at]))
      expected[at] += Double(g[i]) * (integer - (inside ? Double(u[i]) : 0))
      sum += Double(a)
    }
    #expect(abs(total - sum) <= 1e-5 * Double(shape.n))
    for (found, wanted) in zip(steps, expected) {
      #expect(abs(Double(found) - wanted) <= 1e-5 * Double(shape.n))
    }
  }

  /// Integers on a bound count as inside, whatever was rounded to them.
  @Test func boundsAreInclusive() {
    var samples = KernelSamples(seed: 73)
    var sample = Sample(4, group: 4, &samples)
    (sample.low, sample.high, sample.step) = ([-2], [1], [1])
    let u: [Float] = [1.4, 1.6, -2.5, -2.6]
    let g: [Float] = [1, 1, 1, 1]
    var input = [Float](repeating: 9, count: 4)
    _ = sample.withView(hasShift: false) { view in
      u.withUnsafeBufferPointer { u in
        g.withUnsafeBufferPointer { g in
          input.withUnsafeMutableBufferPointer { input in
            var back = ck_rounding_gradient()
            (back.gradient, back.u, back.input) = (g.baseAddress, u.baseAddress, input.baseAddress)
            return ck_round_learned_gradient(view, &back)
          }
        }
      }
    }
    #expect(input == [1, 0, 1, 0])
  }

  @Test(arguments: [1, 2, 4, 8])
  func powersOfErrorsAreSummed(bits: Int) {
    var samples = KernelSamples(seed: 74)
    for n in kernelSizes + [5000] {
      let x = samples.floats(n)
      let (scale, zero) = (1.3 / Float(1 << bits), Float((1 << bits) / 2))
      let expected = x.reduce(0.0) { sum, value in
        let code = min(
          max((value / scale).rounded(.toNearestOrEven) + zero, 0),
          Float(1 << bits) - 1
        )
        let error = abs(Double(value) - Double(scale) * Double(code - zero))
        // |e|^2.5 = e² √|e|, without a power function.
        return sum + error * error * error.squareRoot()
      }
      let found = ck_quantization_power_error(n, x, scale, zero, Int32(bits), 2.5, .infinity)
      #expect(abs(found - expected) <= 2e-5 * expected + 1e-12)
      if n > 600 {
        let stopped = ck_quantization_power_error(n, x, scale, zero, Int32(bits), 2.5, expected / 9)
        #expect(stopped > expected / 9 && stopped < expected)
      }
    }
  }
}
