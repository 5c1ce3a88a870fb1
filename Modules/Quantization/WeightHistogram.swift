import Tensor

/// How a layer's weights are spread, before and after they were rounded.
public struct WeightHistogram: Codable, Hashable, Sendable {
  /// The counts of w in equal bins from −`edge` to `edge`.
  public var original: [Int]
  /// The counts of ŵ in the same bins; what lies beyond is in the outermost.
  public var rounded: [Int]
  /// max |w|.
  public var edge: Float

  private static let binCount = 64
  /// A histogram needs no more, and a large layer has thousands of times as many.
  private static let sampleCount = 1 << 16

  /// The spread of w and ŵ of one shape, of 65,536 evenly placed weights where there are more.
  init(_ weight: Tensor<Float>, _ rounded: Tensor<Float>) {
    let edge = weight.count == 0 ? 0 : weight.abs().max()
    self.edge = edge
    func counts(_ tensor: Tensor<Float>) -> [Int] {
      var counts = [Int](repeating: 0, count: Self.binCount)
      tensor.withUnsafeElements { values in
        // An odd stride visits all columns, also where their number is a power of two.
        for index in stride(from: 0, to: values.count, by: values.count / Self.sampleCount | 1) {
          let place = edge > 0 ? (values[index] / edge + 1) / 2 * Float(Self.binCount) : 0
          counts[Int(min(max(place, 0), Float(Self.binCount - 1)))] += 1
        }
      }
      return counts
    }
    (original, self.rounded) = (counts(weight), counts(rounded))
  }
}
