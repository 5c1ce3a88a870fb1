public import Tensor

/// Novelty by the distance to the nearest normal samples.
///
///     score(x) = √ mean of the k smallest ‖x − x_i‖²
///
/// In the space of the inputs, or in another one through `LatentDetector`. Never more than a block
/// of distances is in memory, and never more than the configuration's number of normals.
///
/// - Source: Ramaswamy et al. 2000, "Efficient Algorithms for Mining Outliers"; the mean over
///   neighbours: Angiulli and Pizzuti 2002.
/// - Complexity: O(N · D) a sample.
public final class NearestNeighbours: NoveltyDetector {
  /// How neighbours are counted.
  public struct Configuration: Codable, Hashable, Sendable {
    /// k, the neighbours that count; fewer where there are fewer normals.
    public var neighbourCount = 5
    /// The most normals that are kept, a random choice of all.
    public var maximumNormals = 50_000
    /// What happens to inputs first.
    public var scaling = InputScaling.none
    /// The source of that choice.
    public var seed: UInt64 = 0

    /// Five neighbours among at most 50,000 normals.
    public init() {}
  }

  /// The name in files and reports.
  public static let kind = "nearest-neighbours"
  /// How the detector is set.
  public let configuration: Configuration
  /// What turns scores into verdicts; nil until `calibrate`.
  public var calibration: NoveltyCalibration?
  private var preparation: InputPreparation?
  /// The normals [N × D], and the square of each one's length.
  private var normals = Tensor<Float>.zeros([0, 1])
  private var squares: [Float] = []

  /// A detector that knows nothing yet.
  public init(_ configuration: Configuration = Configuration()) {
    self.configuration = configuration
  }

  /// The shape of one sample; nil before the fit.
  public var sampleShape: [Int]? { preparation?.layout.sampleShape }

  private func check() throws(NoveltyError) {
    guard (1...1_000).contains(configuration.neighbourCount), configuration.maximumNormals > 0
    else {
      throw .configuration(
        "\(configuration.neighbourCount) neighbours of \(configuration.maximumNormals) normals"
      )
    }
  }

  /// Learns from normal data; forgets what was learned before.
  ///
  /// - Throws: `NoveltyError` for data or settings that do not fit.
  @discardableResult
  public func fit(_ data: NormalData, options: FitOptions) throws(NoveltyError) -> FitReport {
    try check()
    try data.check(atLeast: 1)
    let inputs = data.inputs.sample(configuration.maximumNormals, seed: configuration.seed)
    let found = InputPreparation(scaling: configuration.scaling, training: data.inputs)
    preparation = found
    keep(found.rows(of: inputs))
    return FitReport()
  }

  private func keep(_ rows: Tensor<Float>) {
    normals = rows
    squares = rows.rowSquaredNorms()
    calibration = nil
  }

  /// The score of each sample; higher is more novel.
  ///
  /// - Throws: `NoveltyError.notFitted`, `.shape`, `.notFinite`.
  public func scores(of inputs: Tensor<Float>) throws(NoveltyError) -> [Float] {
    try check(inputs)
    guard let preparation else { throw .notFitted(detector: Self.kind) }
    var scores: [Float] = []
    inputs.forEachBatch(of: 256) { scores += batchScores(preparation.rows(of: $0)) }
    return scores.soundScores
  }

  private func batchScores(_ rows: Tensor<Float>) -> [Float] {
    let own = rows.rowSquaredNorms()
    let count = min(configuration.neighbourCount, squares.count)
    var nearest = [NearestList](repeating: NearestList(count: count), count: own.count)
    for start in stride(from: 0, to: squares.count, by: 4096) {
      let block = start..<min(start + 4096, squares.count)
      let products = rows.matmul(normals[block], transposingOther: true)  // [B × block]
      products.withUnsafeElements { products in
        nearest.withUnsafeMutableBufferPointer { nearest in
          nonisolated(unsafe) let nearest = nearest
          WorkPool.forEach(parts: own.count) { row in
            let line = UnsafeBufferPointer(
              rebasing: products[row * block.count..<(row + 1) * block.count]
            )
            nearest[row].add(line, own[row], squares[block], from: start)
          }
        }
      }
    }
    // Once more without cancellation: ‖a‖² + ‖b‖² − 2ab is inexact near 0.
    return rows.withUnsafeElements { elements in
      normals.withUnsafeElements { normals in
        nearest.enumerated().map { row, list in
          let width = rows.shape[1]
          let start = elements.row(row, width)
          let sum = list.indices.reduce(Float(0)) {
            $0 + squaredDistance(start, normals.row($1, width), width)
          }
          return (sum / Float(list.indices.count)).squareRoot()
        }
      }
    }
  }

  /// Everything that was learned.
  ///
  /// - Throws: `NoveltyError.notFitted`.
  public func state() throws(NoveltyError) -> DetectorState {
    guard let preparation else { throw .notFitted(detector: Self.kind) }
    var state = DetectorState()
    preparation.add(to: &state)
    state.tensors["normals"] = normals
    return state
  }

  /// Takes over what was learned.
  ///
  /// - Throws: `NoveltyError.content` where a part is missing or of another shape.
  public func restore(_ state: DetectorState) throws(NoveltyError) {
    try check()
    let found = try InputPreparation(state, scaling: configuration.scaling)
    let stored = try state.tensor("normals", rank: 2)
    let width = found.layout.width
    guard stored.shape[0] > 0, stored.shape[1] == width else {
      throw .content(path: state.path, reason: "normals \(stored.shape) of width \(width)")
    }
    preparation = found
    keep(stored)
  }
}

/// The smallest distances so far, ascending, and whose they are.
private struct NearestList {
  private let count: Int
  private var distances: [Float] = []
  private(set) var indices: [Int] = []

  init(count: Int) { self.count = count }

  /// Adds a row of products with normals from `start` on.
  mutating func add(
    _ products: UnsafeBufferPointer<Float>,
    _ own: Float,
    _ squares: ArraySlice<Float>,
    from start: Int
  ) {
    var bound = distances.count < count ? Float.infinity : distances[count - 1]
    for (index, square) in squares.enumerated() {
      let distance = own + square - 2 * products[index]
      if distance < bound {
        insert(distance, start + index)
        if distances.count == count { bound = distances[count - 1] }
      }
    }
  }

  private mutating func insert(_ distance: Float, _ index: Int) {
    if distances.count == count {
      distances.removeLast()
      indices.removeLast()
    }
    let place = distances.firstIndex { $0 > distance } ?? distances.count
    distances.insert(distance, at: place)
    indices.insert(index, at: place)
  }
}

extension Tensor where Element == Float {
  /// At most `count` samples, a random choice in their order.
  func sample(_ count: Int, seed: UInt64) -> Tensor {
    guard shape[0] > count else { return self }
    var generator = Philox(seed: seed)
    let order = Tensor<Int32>.permutation(shape[0], using: &generator).elements
    return rows(order.prefix(count).sorted())
  }
}
