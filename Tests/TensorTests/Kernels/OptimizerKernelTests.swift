import CKernels
import Testing

/// Steps of optimizers against their formulas in Double, and against themselves in other pieces.
@Suite struct OptimizerKernelTests {
  /// The arrays of a step, with one element of guard each: value, gradient and two moments.
  private struct Arrays: Equatable {
    var value: [Float]
    var gradient: [Float]
    var mean: [Float]
    var square: [Float]

    init(_ n: Int) {
      var samples = KernelSamples(seed: 21)
      value = samples.floats(n, 3) + [9]
      gradient = samples.floats(n, 2) + [9]
      mean = samples.floats(n, 1) + [9]
      square = samples.floats(n, 1).map(abs) + [9]
    }
  }

  private enum Kind: CaseIterable {
    case adam, adamW, plain, momentum, nesterov, lion

    /// Elements first ..< first + n.
    func step(_ arrays: inout Arrays, _ first: Int, _ n: Int) {
      arrays.gradient.withUnsafeBufferPointer { gradient in
        arrays.value.withUnsafeMutableBufferPointer { value in
          arrays.mean.withUnsafeMutableBufferPointer { mean in
            arrays.square.withUnsafeMutableBufferPointer { square in
              step(
                value.baseAddress,
                gradient.baseAddress,
                mean.baseAddress,
                square.baseAddress,
                first..<first + n
              )
            }
          }
        }
      }
    }

    private func step(
      _ value: UnsafeMutablePointer<Float>?,
      _ gradient: UnsafePointer<Float>?,
      _ mean: UnsafeMutablePointer<Float>?,
      _ square: UnsafeMutablePointer<Float>?,
      _ range: Range<Int>
    ) {
      let (first, n) = (range.lowerBound, range.count)
      switch self {
      case .adam, .adamW:
        var job = ck_adam()
        (job.value, job.gradient, job.mean, job.square) = (value, gradient, mean, square)
        (job.mean_rate, job.square_rate) = (0.125, 0.0625)
        (job.step_size, job.root_scale, job.epsilon) = (0.25, 1.5, 0.01)
        (job.decay, job.is_coupled) = (0.5, self == .adam)
        ck_adam_step(&job, first, n)
      case .plain, .momentum, .nesterov:
        var job = ck_sgd()
        (job.value, job.gradient) = (value, gradient)
        job.velocity = self == .plain ? nil : mean
        (job.rate, job.momentum, job.decay) = (0.25, 0.75, 0.5)
        job.looks_ahead = self == .nesterov
        ck_sgd_step(&job, first, n)
      case .lion:
        var job = ck_lion()
        (job.value, job.gradient, job.mean) = (value, gradient, mean)
        (job.blend_rate, job.mean_rate, job.rate, job.decay) = (0.125, 0.0625, 0.25, 0.5)
        ck_lion_step(&job, first, n)
      }
    }

    /// Value and both moments after a step; the formulas of CKernels.h, written as the papers do.
    func oracle(_ w: Double, _ g: Double, _ m: Double, _ v: Double) -> (Double, Double, Double) {
      switch self {
      case .adam, .adamW:
        let gradient = self == .adam ? g + 0.5 * w : g
        let mean = 0.875 * m + 0.125 * gradient
        let square = 0.9375 * v + 0.0625 * gradient * gradient
        let change = 0.25 * mean / (1.5 * square.squareRoot() + 0.01)
        return (w - change - (self == .adam ? 0 : 0.5 * w), mean, square)
      case .plain: return (w - 0.25 * (g + 0.5 * w), m, v)
      case .momentum, .nesterov:
        let gradient = g + 0.5 * w
        let velocity = 0.75 * m + gradient
        let direction = self == .nesterov ? gradient + 0.75 * velocity : velocity
        return (w - 0.25 * direction, velocity, v)
      case .lion:
        let c = 0.875 * m + 0.125 * g
        let sign: Double = c > 0 ? 1 : c < 0 ? -1 : 0
        return (w - 0.25 * sign - 0.5 * w, 0.9375 * m + 0.0625 * g, v)
      }
    }
  }

  @Test func stepsFollowTheFormulas() {
    for kind in Kind.allCases {
      for n in kernelSizes {
        let before = Arrays(n)
        var after = before
        kind.step(&after, 0, n)
        let expected = (0..<n).map { i in
          kind.oracle(
            Double(before.value[i]),
            Double(before.gradient[i]),
            Double(before.mean[i]),
            Double(before.square[i])
          )
        }
        func check(_ name: String, _ found: [Float], _ expected: [Double]) {
          expectKernel(
            found,
            near: expected + [9],
            scale: expected.map { abs($0) + 1 } + [9],
            tolerance: 1e-6,
            "\(kind), \(name) of \(n)"
          )
        }
        check("value", after.value, expected.map(\.0))
        check("mean", after.mean, expected.map(\.1))
        check("square", after.square, expected.map(\.2))
        #expect(after.gradient == before.gradient)
      }
    }
  }

  /// Whole vectors and tails round alike: every way to split gives the same bits.
  @Test func pieceByPieceGivesTheSameBits() {
    for kind in Kind.allCases {
      var whole = Arrays(1000)
      kind.step(&whole, 0, 1000)
      for size in [1, 5, 16, 37, 333] {
        var pieces = Arrays(1000)
        for first in stride(from: 0, to: 1000, by: size) {
          kind.step(&pieces, first, min(size, 1000 - first))
        }
        #expect(pieces == whole, "\(kind) by \(size)")
      }
    }
  }

  /// A second moment never falls below 0, where its root would be NaN.
  @Test func secondMomentsStayPositive() {
    var arrays = Arrays(1000)
    for step in 0..<200 {
      if step == 3 { arrays.gradient = arrays.gradient.map { $0 * 1e-20 } }
      Kind.adamW.step(&arrays, 0, 1000)
    }
    #expect(arrays.square.allSatisfy { $0 >= 0 })
    #expect(arrays.value.allSatisfy { $0.isFinite })
  }
}
