import Tensor

/// Where a method took weights that round-to-nearest would have left: FlexRound's claim is that large
/// weights move further.
public struct CodeMovement: Codable, Hashable, Sendable {
  /// A weight of the sample.
  public struct Point: Codable, Hashable, Sendable {
    /// |w| over the root mean square of the layer's weights.
    public var magnitude: Float
    /// How many steps its code moved.
    public var steps: Int
    /// log S without s₁, where a scale was learned.
    public var logScale: Float?
  }

  /// The share of the codes that differ from round-to-nearest's.
  public var movedShare: Double
  /// The share that differs by two steps or more.
  public var farShare: Double
  /// A few hundred weights, evenly spread over the matrix.
  public var sample: [Point]

  private static let sampleCount = 200

  /// The movement from `nearest` to `matrix` for a weight [N × K].
  init(
    _ matrix: QuantizedMatrix,
    from nearest: QuantizedMatrix,
    weight: Tensor<Float>,
    logScales: Tensor<Float>? = nil
  ) {
    let (codes, start) = (matrix.codes(), nearest.codes())
    // A zero point of its own shifts all codes of a group: what counts is code − z.
    let (zeros, startZeros) = (
      matrix.expandedGrids().zeroPoints, nearest.expandedGrids().zeroPoints
    )
    let scale = max(weight.square().mean().squareRoot(), .leastNormalMagnitude)
    let (count, stride) = (weight.count, max(1, weight.count / Self.sampleCount))
    var (moved, far) = (0, 0)
    var sample: [Point] = []
    let (places, startPlaces) = (codes.elements, start.elements)
    let values = weight.elements
    let (shifts, startShifts) = (zeros.elements, startZeros.elements)
    let exponents = logScales?.elements
    for index in 0..<count {
      let place = Int(places[index]) - Int(shifts[index])
      let steps = place - (Int(startPlaces[index]) - Int(startShifts[index]))
      if steps != 0 { moved += 1 }
      if abs(steps) > 1 { far += 1 }
      guard index % stride == stride / 2 else { continue }
      let magnitude = abs(values[index]) / scale
      sample.append(Point(magnitude: magnitude, steps: steps, logScale: exponents?[index]))
    }
    movedShare = Double(moved) / Double(max(count, 1))
    farShare = Double(far) / Double(max(count, 1))
    self.sample = sample
  }
}
