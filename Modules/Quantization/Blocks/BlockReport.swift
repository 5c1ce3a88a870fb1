public import Tensor

#if canImport(FoundationEssentials)
  import FoundationEssentials
#else
  import Foundation
#endif

/// What became of one block.
public struct BlockReport: Codable, Hashable, Sendable {
  /// What became of one layer.
  public struct Layer: Codable, Hashable, Sendable {
    /// The name in the checkpoint, without ".weight".
    public var name: String
    /// [N × K] or [O × I × kH × kW].
    public var shape: Shape
    /// What it was rounded to, in the layout that was chosen.
    public var scheme: WeightScheme
    /// The mean of (ŵ − w)².
    public var meanSquaredError: Double
    /// `meanSquaredError` over the mean of w²; 0 for a matrix of zeros.
    public var relativeError: Double
    /// The mean of (X Wᵀ − X Ŵᵀ)² over the mean of (X Wᵀ)² on the calibration inputs, where the
    /// method looked at them.
    public var relativeOutputError: Double?
    /// The errors of AdaDim's candidates by the name of the layout.
    public var candidateErrors: [String: Double]?
    /// GPTQ's report.
    public var gptq: GPTQ.Report?
    /// How the step sizes are spread.
    public var stepSizes: StepSizeStatistics
    /// How weights and codes lie beside those of round-to-nearest.
    public var movement: CodeMovement
    /// The bytes of codes, step sizes and zero points.
    public var byteCount: Int
    /// Seconds that the rounding took; for learned rounding those of the block, in equal parts.
    public var seconds: Double
  }

  /// The number of the block.
  public var block: Int
  /// Its layers in execution order.
  public var layers: [Layer] = []
  /// The mean of (x̂ − x)² over the states behind the block: x̂ of the quantized blocks up to here, x of
  /// the original ones.
  public var meanSquaredError = 0.0
  /// `meanSquaredError` over the mean of x².
  public var relativeError = 0.0
  /// How learned rounding went; nil for other methods.
  public var reconstruction: ReconstructionReport?
  /// Seconds that the block took.
  public var seconds = 0.0
}

extension BlockReport {
  /// JSON; the losses of a training that diverged are no numbers, and stay what they are.
  var text: String {
    get throws {
      let encoder = JSONEncoder()
      encoder.outputFormatting = .sortedKeys
      encoder.nonConformingFloatEncodingStrategy = .convertToString(
        positiveInfinity: "Infinity",
        negativeInfinity: "-Infinity",
        nan: "NaN"
      )
      return String(decoding: try encoder.encode(self), as: UTF8.self)
    }
  }

  /// The report that was written as `text`; nil if it was not.
  init?(text: String) {
    let decoder = JSONDecoder()
    decoder.nonConformingFloatDecodingStrategy = .convertFromString(
      positiveInfinity: "Infinity",
      negativeInfinity: "-Infinity",
      nan: "NaN"
    )
    guard let report = try? decoder.decode(BlockReport.self, from: Data(text.utf8)) else {
      return nil
    }
    self = report
  }
}

/// The spread of a layer's step sizes.
public struct StepSizeStatistics: Codable, Hashable, Sendable {
  /// The smallest.
  public var minimum: Float
  /// The mean.
  public var mean: Float
  /// The largest.
  public var maximum: Float

  /// The spread of some step sizes.
  public init(_ stepSizes: Tensor<Float>) {
    (minimum, maximum) = stepSizes.count == 0 ? (0, 0) : stepSizes.extrema()
    mean = stepSizes.count == 0 ? 0 : stepSizes.mean()
  }
}

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
  /// The counts of w and of ŵ in equal bins from −`histogramEdge` to `histogramEdge`.
  public var histogram: [Int]
  /// See `histogram`.
  public var roundedHistogram: [Int]
  /// max |w|.
  public var histogramEdge: Float

  private static let sampleCount = 200
  private static let binCount = 64

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
    let rounded = matrix.dequantized()
    let edge = max(weight.abs().max(), .leastNormalMagnitude)
    let scale = max(weight.square().mean().squareRoot(), .leastNormalMagnitude)
    let (count, stride) = (weight.count, max(1, weight.count / Self.sampleCount))
    var (moved, far) = (0, 0)
    var sample: [Point] = []
    var histogram = [Int](repeating: 0, count: Self.binCount)
    var roundedHistogram = histogram
    func bin(_ value: Float) -> Int {
      let place = (value / edge + 1) / 2 * Float(Self.binCount)
      return min(max(Int(place), 0), Self.binCount - 1)
    }
    let (places, startPlaces) = (codes.elements, start.elements)
    let (values, roundedValues) = (weight.elements, rounded.elements)
    let (shifts, startShifts) = (zeros.elements, startZeros.elements)
    let exponents = logScales?.elements
    for index in 0..<count {
      let place = Int(places[index]) - Int(shifts[index])
      let steps = place - (Int(startPlaces[index]) - Int(startShifts[index]))
      if steps != 0 { moved += 1 }
      if abs(steps) > 1 { far += 1 }
      histogram[bin(values[index])] += 1
      roundedHistogram[bin(roundedValues[index])] += 1
      guard index % stride == stride / 2 else { continue }
      let magnitude = abs(values[index]) / scale
      sample.append(Point(magnitude: magnitude, steps: steps, logScale: exponents?[index]))
    }
    movedShare = Double(moved) / Double(max(count, 1))
    farShare = Double(far) / Double(max(count, 1))
    self.sample = sample
    self.histogram = histogram
    self.roundedHistogram = roundedHistogram
    histogramEdge = edge
  }
}
