public import Tensor

/// Binary-coding quantization (BCQ): a group of weights as a sum of scaled sign vectors.
///
///     w ≈ Σ_i α_i b_i,   b_i ∈ {−1, +1}^g,   i = 1 … q
///
/// Greedy, with sign(0) = +1:
///
///     r₀ = w,   b_i = sign(r_{i−1}),   α_i = mean|r_{i−1}|,   r_i = r_{i−1} − α_i b_i
///
/// Each round of refinement keeps B and moves α, then keeps α and chooses B anew (A = B Bᵀ, v = B w):
///
///     α ← α + (A + 10⁻⁶ g I)⁻¹ (v − A α),   α ← |α| in descending order,
///     B ← the nearest of the 2^q values Σ ±α_i for each weight
///
/// No round makes the squared error larger. For q = 1 the greedy start is the exact minimum.
///
/// - Shapes: w [N × K], B [N × q × K], α [N × ⌈K/g⌉ × q]; the last group of a row may be short.
/// - Source: Kwon et al. 2022, "AlphaTuning: Quantization-Aware Parameter-Efficient Adaptation of
///   Large-Scale Pre-Trained Language Models", section 3 (greedy: Guo et al. 2017; alternating: Xu et
///   al. 2018); the quantizer in the official code of LUT-GEMM (Park et al. 2024), whose default is
///   15 rounds.
/// - Deviation: that code's sign maps 0 to 0, an entry that no bit can hold; here it is +1.
/// - Deviation: A is singular where two planes agree up to sign. That code takes q steps of
///   conjugate gradients from the old α; the ridge system moves as little and has the same error.
/// - Complexity: O(N·K·(q + log g)), and O(N·⌈K/g⌉·2^q·(log g + q²)) per round. A group whose codes
///   and scales no longer move takes no more rounds.
public struct BinaryCoding: Codable, Hashable, Sendable {
  /// The numbers of planes that can be coded: as many as uniform grids have bits.
  public static let supportedPlanes = 1...8

  /// q, 1 to 8.
  public let planes: Int
  /// g, the inputs that share scales; nil for whole rows.
  public let groupSize: Int?
  /// Rounds of refinement: 0 is greedy, 1 refined greedy, more are alternating.
  public let rounds: Int

  /// A coding in that many planes; LUT-GEMM's rounds unless others are given.
  ///
  /// - Throws: `QuantizationError.invalidScheme` unless 1 ≤ planes ≤ 8, groups have weights and
  ///   rounds are not negative.
  public init(
    planes: Int,
    groupSize: Int? = nil,
    rounds: Int = 15
  ) throws(QuantizationError) {
    guard Self.supportedPlanes.contains(planes) else {
      throw .invalidScheme("\(planes) binary planes cannot be coded; choose 1 to 8")
    }
    if let groupSize, groupSize < 1 {
      throw .invalidScheme("a group of \(groupSize) weights is empty; choose at least 1")
    }
    guard rounds >= 0 else {
      throw .invalidScheme("\(rounds) rounds of binary coding; choose 0 (greedy) or more")
    }
    self.planes = planes
    self.groupSize = groupSize
    self.rounds = rounds
  }

  /// AlphaTuning's coding: greedy, one scale for each row and plane.
  ///
  /// - Throws: `QuantizationError.invalidScheme` unless 1 ≤ planes ≤ 8.
  public static func paper(planes: Int) throws(QuantizationError) -> BinaryCoding {
    try BinaryCoding(planes: planes, rounds: 0)
  }

  private enum CodingKeys: String, CodingKey {
    case planes, groupSize, rounds
  }

  /// Reads a coding; what `init(planes:groupSize:rounds:)` refuses is refused here too.
  public init(from decoder: any Decoder) throws {
    let values = try decoder.container(keyedBy: CodingKeys.self)
    try self.init(
      planes: values.decode(Int.self, forKey: .planes),
      groupSize: values.decodeIfPresent(Int.self, forKey: .groupSize),
      rounds: values.decode(Int.self, forKey: .rounds)
    )
  }

  /// The binary codes of a weight matrix.
  ///
  /// `BinaryCodedMatrix.meanSquaredError(from:)` says how far the weights moved.
  ///
  /// - Parameters:
  ///   - weight: [N × K], finite.
  ///   - layer: its name, for errors.
  /// - Returns: signs and scales, without offsets.
  /// - Throws: `QuantizationError.notFinite` with the first row that holds NaN or infinite weights,
  ///   or weights so large that their scales overflow.
  public func quantize(
    _ weight: Tensor<Float>,
    layer: String = "weight"
  ) throws(QuantizationError) -> BinaryCodedMatrix {
    expect(weight.rank == 2, "binary coding: a matrix is needed, found \(weight.shape)")
    let columns = weight.shape[1]
    let layout = BinaryCodedMatrix.layout(for: weight.shape, groupSize: groupSize)
    var codes = Tensor<UInt8>.zeros(weight.shape)
    var scales = Tensor<Float>.zeros(Shape(layout.shape.extents + [planes]))
    let failed = encode(weight, layout, &codes, &scales)
    if let row = failed.firstIndex(of: true) { throw .notFinite(layer: layer, row: row) }
    return BinaryCodedMatrix(
      columnCount: columns,
      groupSize: groupSize,
      words: BinaryCodedMatrix.words(of: codes, planeCount: planes),
      scales: scales
    )
  }

  /// Fills codes and scales; says for each row whether it could not be coded.
  private func encode(
    _ weight: Tensor<Float>,
    _ layout: GroupLayout,
    _ codes: inout Tensor<UInt8>,
    _ scales: inout Tensor<Float>
  ) -> [Bool] {
    let (rows, columns, groups) = (layout.rowCount, layout.columnCount, layout.columnGroups)
    var failed = Tensor<Bool>.zeros([rows])
    weight.withUnsafeElements { weights in
      codes.withUnsafeMutableElements { codes in
        scales.withUnsafeMutableElements { scales in
          failed.withUnsafeMutableElements { failed in
            // Several small rows share what a coder allocates.
            WorkPool.forEachRange(count: rows, grain: 4096 / max(columns, 1)) { range in
              var coder = BinaryGroupCoder(planeCount: planes, capacity: layout.columnsPerGroup)
              for row in range {
                for group in 0..<groups {
                  let start = row * columns + group * layout.columnsPerGroup
                  let end = min(start + layout.columnsPerGroup, (row + 1) * columns)
                  let place = (row * groups + group) * planes
                  let isSound = encode(
                    UnsafeBufferPointer(rebasing: weights[start..<end]),
                    &coder,
                    UnsafeMutableBufferPointer(rebasing: codes[start..<end]),
                    UnsafeMutableBufferPointer(rebasing: scales[place..<place + planes])
                  )
                  if !isSound { failed[row] = true }
                }
              }
            }
          }
        }
      }
    }
    return failed.elements
  }

  /// Codes one group; false if that is not possible.
  private func encode(
    _ weights: UnsafeBufferPointer<Float>,
    _ coder: inout BinaryGroupCoder,
    _ codes: UnsafeMutableBufferPointer<UInt8>,
    _ scales: UnsafeMutableBufferPointer<Float>
  ) -> Bool {
    guard GroupRounding.extrema(weights).minimum.isFinite else { return false }
    coder.encode(weights, rounds: rounds)
    for place in codes.indices { codes[place] = coder.codes[place] }
    var reach: Float = 0
    for plane in scales.indices {
      scales[plane] = Float(coder.scales[plane])
      reach += abs(scales[plane])
    }
    return reach.isFinite
  }
}
