import CKernels

// Every part of a tensor is computed from the generator's key and the element's place: the same
// numbers for any number of threads.

extension Tensor where Element == Float {
  /// Numbers drawn evenly from [lower, upper).
  public static func uniform(
    _ shape: Shape,
    from lower: Float = 0,
    to upper: Float = 1,
    using generator: inout Philox
  ) -> Tensor {
    let (scale, below) = (upper - lower, upper > lower ? upper.nextDown : .infinity)
    return drawn(shape, &generator) { words, target in
      for (index, word) in words.enumerated() {
        // Rounding may reach the upper bound.
        let x = lower + scale * (Float(Int32(truncatingIfNeeded: word >> 8)) * 0x1p-24)
        target[index] = x < below ? x : below
      }
    }
  }

  /// Numbers drawn from a normal distribution, by Box and Muller's transform.
  public static func normal(
    _ shape: Shape,
    mean: Float = 0,
    deviation: Float = 1,
    using generator: inout Philox
  ) -> Tensor {
    let half = (shape.count + 1) / 2
    // Between 2⁻³³ and 1, so the logarithm is finite.
    let even = drawn([half], &generator) { words, target in
      for (index, word) in words.enumerated() { target[index] = (Float(word) + 0.5) * 0x1p-32 }
    }
    let radius = (even.log() * Float(-2)).sqrt() * deviation
    let angle = uniform([half], from: 0, to: 2 * .pi, using: &generator)
    let pairs = Tensor.concatenating([radius * angle.cos(), radius * angle.sin()])
    return (pairs[0..<shape.count] + mean).reshaped(to: shape)
  }
}

extension Tensor where Element == Bool {
  /// Truth values, each true with the given probability.
  public static func bernoulli(
    _ shape: Shape,
    probability: Float,
    using generator: inout Philox
  ) -> Tensor {
    expect(probability >= 0 && probability <= 1, "bernoulli: a probability of \(probability)")
    let threshold = UInt64(Double(probability) * 0x1p32)
    return drawn(shape, &generator) { words, target in
      for (index, word) in words.enumerated() { target[index] = UInt64(word) < threshold }
    }
  }
}

extension Tensor where Element == Int32 {
  /// Whole numbers drawn evenly from `range`.
  public static func integers(
    _ shape: Shape,
    in range: Range<Int32>,
    using generator: inout Philox
  ) -> Tensor {
    expect(!range.isEmpty, "integers: the range \(range) is empty")
    let extent = Int(range.upperBound) - Int(range.lowerBound)
    // A draw without bias may need several words, so it is not a function of the place alone.
    return Tensor(uninitialized: shape) { target in
      for index in target.indices {
        target[index] = Int32(Int(range.lowerBound) + generator.integer(below: extent))
      }
    }
  }

  /// The numbers 0 ..< count in random order, by Fisher and Yates.
  public static func permutation(_ count: Int, using generator: inout Philox) -> Tensor {
    expect(count >= 0, "permutation: \(count) numbers")
    return Tensor(Array(0..<Int32(count)).shuffled(using: &generator))
  }
}

extension Tensor {
  /// A tensor with one element for each random word; `fill` makes a run of elements at once.
  fileprivate static func drawn(
    _ shape: Shape,
    _ generator: inout Philox,
    fill: (UnsafeBufferPointer<UInt32>, UnsafeMutablePointer<Element>) -> Void
  ) -> Tensor {
    let (source, chunk) = generator.reserveChunks(for: shape.count)
    return Tensor(uninitialized: shape) { target in
      guard let to = target.baseAddress else { return }
      WorkPool.forEachRange(count: shape.count, grain: vectorGrain) { range in
        let block = 1024
        withUnsafeTemporaryAllocation(of: UInt32.self, capacity: block) { buffer in
          guard let words = buffer.baseAddress else { return }
          for first in stride(from: range.lowerBound, to: range.upperBound, by: block) {
            let count = Swift.min(block, range.upperBound - first)
            withUnsafePointer(to: source) {
              ck_random_words($0, count, chunk + UInt64(first / 64), words)
            }
            fill(UnsafeBufferPointer(start: words, count: count), to + first)
          }
        }
      }
    }
  }
}
