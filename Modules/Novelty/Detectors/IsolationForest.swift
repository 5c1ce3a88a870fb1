import Foundation
public import Tensor

/// Novelty by how few random cuts set a sample apart.
///
///     score(x) = 2^( −E[h(x)] / c(ψ) ),   c(n) = 2 (ln(n − 1) + 0.5772…) − 2 (n − 1) / n
///
/// h is the depth of the leaf that x falls into, plus c of the leaf's samples; the mean is over
/// trees, each grown on ψ samples by cuts at random places of random features.
///
/// - Source: Liu, Ting and Zhou 2008, "Isolation Forest", algorithms 1 to 3.
/// - Complexity: O(trees · log ψ) a sample.
public final class IsolationForest: NoveltyDetector {
  /// How trees grow.
  public struct Configuration: Codable, Hashable, Sendable {
    /// The trees.
    public var treeCount = 100
    /// ψ, the samples that a tree is grown on.
    public var sampleCount = 256
    /// The source of samples, features and cuts.
    public var seed: UInt64 = 0

    /// The paper's 100 trees on 256 samples each.
    public init() {}
  }

  /// The name in files and reports.
  public static let kind = "isolation-forest"
  /// How the detector is set.
  public let configuration: Configuration
  /// What turns scores into verdicts; nil until `calibrate`.
  public var calibration: NoveltyCalibration?
  /// The shape of one sample; nil before the fit.
  public private(set) var sampleShape: [Int]?
  private var trees: [IsolationTree] = []
  /// ψ, or the number of normals where there are fewer.
  private var usedCount = 0

  /// A detector that knows nothing yet.
  public init(_ configuration: Configuration = Configuration()) {
    self.configuration = configuration
  }

  private func check() throws(NoveltyError) {
    guard (1...100_000).contains(configuration.treeCount),
      (2...1 << 20).contains(configuration.sampleCount)
    else {
      throw .configuration(
        "\(configuration.treeCount) trees on \(configuration.sampleCount) samples"
      )
    }
  }

  /// Learns from normal data; forgets what was learned before.
  ///
  /// - Throws: `NoveltyError` for data or settings that do not fit.
  @discardableResult
  public func fit(_ data: NormalData, options: FitOptions) throws(NoveltyError) -> FitReport {
    try check()
    try data.check()
    let rows = data.inputs.asRows()
    let source = Philox(seed: configuration.seed)
    usedCount = min(configuration.sampleCount, rows.shape[0])
    trees = (0..<configuration.treeCount).map { index in
      var generator = source.fork(index)
      let order = Tensor.permutation(rows.shape[0], using: &generator).elements
      return IsolationTree(rows.rows(order.prefix(usedCount)), using: &generator)
    }
    sampleShape = data.inputs.sampleShape
    calibration = nil
    return FitReport()
  }

  /// The score of each sample; higher is more novel.
  ///
  /// - Throws: `NoveltyError.notFitted`, `.shape`, `.notFinite`.
  public func scores(of inputs: Tensor<Float>) throws(NoveltyError) -> [Float] {
    try check(inputs)
    guard inputs.shape[0] > 0 else { return [] }
    let scale = Double(trees.count) * IsolationTree.expectedDepth(usedCount)
    let trees = trees
    return inputs.asRows().rowValues { row, _ in
      let elements = row.start.assumingMemoryBound(to: Float.self)
      let depth = trees.reduce(0) { $0 + $1.depth(of: elements) }
      return Float(exp2(-depth / scale))
    }
  }

  /// Everything that was learned.
  ///
  /// - Throws: `NoveltyError.notFitted`.
  public func state() throws(NoveltyError) -> DetectorState {
    guard let sampleShape else { throw .notFitted(detector: Self.kind) }
    var state = DetectorState()
    state.setSampleShape(sampleShape)
    state.integers["sizes"] = trees.map { Int32($0.thresholds.count) }
    state.integers["used"] = [Int32(usedCount)]
    state.integers["features"] = trees.flatMap(\.features)
    state.integers["children"] = trees.flatMap(\.children)
    state.tensors["thresholds"] = Tensor(trees.flatMap(\.thresholds))
    return state
  }

  /// Takes over what was learned.
  ///
  /// - Throws: `NoveltyError.content` where a part is missing or of another shape.
  public func restore(_ state: DetectorState) throws(NoveltyError) {
    try check()
    let shape = try state.sampleShape()
    let sizes = try state.numbers("sizes").map { Int($0) }
    let (features, children) = (try state.numbers("features"), try state.numbers("children"))
    let thresholds = try state.tensor("thresholds", rank: 1).elements
    let used = try state.numbers("used")
    guard used.count == 1, used[0] > 1, !sizes.isEmpty, sizes.allSatisfy({ $0 > 0 }),
      sizes.reduce(0, +) == thresholds.count, features.count == thresholds.count,
      children.count == thresholds.count
    else {
      throw .content(path: state.path, reason: "\(sizes.count) trees of \(thresholds.count) nodes")
    }
    var (found, start): ([IsolationTree], Int) = ([], 0)
    for size in sizes {
      let range = start..<start + size
      let tree = IsolationTree(
        features: Array(features[range]),
        thresholds: Array(thresholds[range]),
        children: Array(children[range])
      )
      guard tree.isSound(width: shape.reduce(1, *)) else {
        throw .content(path: state.path, reason: "tree \(found.count) leads nowhere")
      }
      found.append(tree)
      start += size
    }
    (trees, usedCount, sampleShape) = (found, Int(used[0]), shape)
    calibration = nil
  }
}

/// One tree, its nodes in the order in which they were made.
private struct IsolationTree {
  /// The feature that a node cuts; −1 for a leaf.
  var features: [Int32] = []
  /// Where it cuts; for a leaf, its depth and the expected depth of its samples.
  var thresholds: [Float] = []
  /// The left child, whose right sibling follows; 0 for a leaf.
  var children: [Int32] = []

  init(features: [Int32], thresholds: [Float], children: [Int32]) {
    self.features = features
    self.thresholds = thresholds
    self.children = children
  }

  /// c(n), the mean depth of an unsuccessful search among n samples.
  static func expectedDepth(_ count: Int) -> Double {
    guard count > 2 else { return count == 2 ? 1 : 0 }
    let n = Double(count)
    return 2 * (log(n - 1) + 0.577_215_664_9) - 2 * (n - 1) / n
  }

  init(_ samples: Tensor<Float>, using generator: inout Philox) {
    let (count, width) = (samples.shape[0], samples.shape[1])
    let limit = Int(log2(Double(count)).rounded(.up))
    var waiting = [(rows: Array(0..<count), depth: 0)]
    appendLeaf()
    samples.withUnsafeElements { elements in
      var next = 0
      while next < waiting.count {
        let (rows, depth) = waiting[next]
        let cut =
          depth < limit && rows.count > 1
          ? Self.cut(rows, elements, width, &generator) : nil
        if let cut {
          features[next] = Int32(cut.feature)
          thresholds[next] = cut.threshold
          children[next] = Int32(thresholds.count)
          let isLeft = { (row: Int) in elements[row * width + cut.feature] < cut.threshold }
          waiting.append((rows.filter(isLeft), depth + 1))
          waiting.append((rows.filter { !isLeft($0) }, depth + 1))
          appendLeaf()
          appendLeaf()
        } else {
          thresholds[next] = Float(Double(depth) + Self.expectedDepth(rows.count))
        }
        waiting[next].rows = []
        next += 1
      }
    }
  }

  private mutating func appendLeaf() {
    features.append(-1)
    thresholds.append(0)
    children.append(0)
  }

  /// A cut that leaves samples on both sides; nil if a good number of features are all constant.
  private static func cut(
    _ rows: [Int],
    _ elements: UnsafeBufferPointer<Float>,
    _ width: Int,
    _ generator: inout Philox
  ) -> (feature: Int, threshold: Float)? {
    for _ in 0..<max(64, 2 * min(width, 1024)) {
      let feature = generator.integer(below: width)
      var (lowest, highest) = (Float.infinity, -Float.infinity)
      for row in rows {
        lowest = min(lowest, elements[row * width + feature])
        highest = max(highest, elements[row * width + feature])
      }
      guard lowest < highest else { continue }
      // Left is below the threshold: it must be above the lowest.
      let threshold = lowest + (highest - lowest) * generator.uniform()
      return (feature, threshold > lowest ? threshold : highest)
    }
    return nil
  }

  func depth(of row: UnsafePointer<Float>) -> Double {
    var node = 0
    while features[node] >= 0 {
      let isRight = row[Int(features[node])] >= thresholds[node]
      node = Int(children[node]) + (isRight ? 1 : 0)
    }
    return Double(thresholds[node])
  }

  /// Whether every path ends at a leaf: children come after their node.
  func isSound(width: Int) -> Bool {
    features.indices.allSatisfy { node in
      features[node] < 0
        || (Int(features[node]) < width && Int(children[node]) > node
          && Int(children[node]) + 1 < features.count)
    }
  }
}
