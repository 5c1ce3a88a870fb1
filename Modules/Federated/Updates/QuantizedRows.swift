public import Tensor

// With Q = 2^(b−1) − 1 and s = max|x| / Q of a row, 1 where the row is all zeros:
//
//     nearest      q = clamp(round_half_even(x / s), −Q, Q)
//     stochastic   q = clamp(⌊x / s + u⌋, −Q, Q),   u ~ U[0, 1): the mean of s q is x

/// Numbers as symmetric integer codes of few bits, each row with its own scale.
public struct QuantizedRows: Hashable, Sendable {
  /// Which numbers share a scale.
  public enum Granularity: String, Codable, Hashable, Sendable {
    /// All of a tensor.
    case tensor
    /// Those of one index of the first axis; a vector is one row.
    case row
  }

  /// The bits of a code, 2 to 8.
  public let bits: Int
  /// q, from −Q to Q.
  public let codes: [Int8]
  /// s of each row.
  public let scales: [Float]
  /// Where each row ends.
  let ends: [Int]

  init(bits: Int, codes: [Int8], scales: [Float], ends: [Int]) {
    (self.bits, self.codes, self.scales, self.ends) = (bits, codes, scales, ends)
  }

  /// A tensor's codes, rounded to nearest.
  public init(_ tensor: Tensor<Float>, bits: Int, granularity: Granularity = .row) {
    let ends = Self.ends(of: tensor.shape, granularity)
    self = tensor.withUnsafeElements { QuantizedRows($0, bits: bits, ends: ends) { _ in nil } }
  }

  /// A tensor's codes, rounded by chance.
  ///
  /// - Parameters:
  ///   - tensor: what is rounded.
  ///   - bits: 2 to 8.
  ///   - granularity: which numbers share a scale.
  ///   - uniforms: u of each number, in [0, 1).
  public init(
    _ tensor: Tensor<Float>,
    bits: Int,
    granularity: Granularity = .row,
    uniforms: Tensor<Float>
  ) {
    expect(
      uniforms.count == tensor.count,
      "quantized rows: \(uniforms.count) draws for \(tensor.count) numbers"
    )
    let ends = Self.ends(of: tensor.shape, granularity)
    self = tensor.withUnsafeElements { elements in
      uniforms.withUnsafeElements { uniforms in
        QuantizedRows(elements, bits: bits, ends: ends) { uniforms[$0] }
      }
    }
  }

  /// The codes of rows that end at `ends`; `uniform` gives u, or nil to round to nearest.
  init(
    _ elements: UnsafeBufferPointer<Float>,
    bits: Int,
    ends: [Int],
    uniform: (Int) -> Float?
  ) {
    expect((2...8).contains(bits), "quantized rows: \(bits) bits, choose 2 to 8")
    let limit = Double((1 << (bits - 1)) - 1)
    var codes = [Int8](repeating: 0, count: elements.count)
    var scales = [Float](repeating: 1, count: ends.count)
    var start = 0
    for (row, end) in ends.enumerated() {
      let largest = elements[start..<end].reduce(0) { max($0, $1.magnitude) }
      let scale = largest > 0 ? Double(largest) / limit : 1
      scales[row] = max(Float(scale), .leastNonzeroMagnitude)
      for index in start..<end {
        let ratio = Double(elements[index]) / scale
        let code =
          if let u = uniform(index) {
            (ratio + Double(u)).rounded(.down)
          } else {
            ratio.rounded(.toNearestOrEven)
          }
        codes[index] = Int8(max(-limit, min(limit, code)))
      }
      start = end
    }
    self.init(bits: bits, codes: codes, scales: scales, ends: ends)
  }

  /// s q of every number.
  public func dequantized() -> [Float] {
    var values = [Float](repeating: 0, count: codes.count)
    var start = 0
    for (scale, end) in zip(scales, ends) {
      for index in start..<end { values[index] = scale * Float(codes[index]) }
      start = end
    }
    return values
  }

  /// s q as a tensor.
  public func dequantized(shape: Shape) -> Tensor<Float> { Tensor(dequantized(), shape: shape) }

  /// Where the rows of a tensor end.
  static func ends(of shape: Shape, _ granularity: Granularity) -> [Int] {
    guard granularity == .row, shape.rank > 1 else { return [shape.count] }
    let rows = shape[0]
    return (0..<rows).map { ($0 + 1) * (shape.count / rows) }
  }
}
