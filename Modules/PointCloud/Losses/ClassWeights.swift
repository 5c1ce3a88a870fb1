public import Tensor

/// The weights of classes in the cross-entropy, from how often they occur.
///
///     w_c = 1 / (f_c + 1e-3)     f_c: the share of class c among all points, background included
///
/// - Source: the DGLSS repository (Kim et al., CVPR 2023). The weights it lists are a tenth of
///   these; in a weighted mean a common factor has no effect.
public struct ClassWeights: Codable, Hashable, Sendable {
  /// What is added to each share, which bounds the weight of a class that is hardly there.
  public static let offset = 1e-3

  /// The number of points of each class, class 0 (background) first.
  public private(set) var counts: [Int]

  /// No points yet of the background and `classCount` classes.
  public init(classCount: Int) {
    expect(classCount > 0, "class weights: a count of \(classCount) classes")
    counts = Array(repeating: 0, count: classCount + 1)
  }

  /// Counts the points of a scan.
  ///
  /// - Shapes: classes [P] of 0 ... classCount.
  public mutating func add(_ classes: Tensor<Int32>) {
    classes.check(below: counts.count, "class weights", of: [counts.count])
    classes.withUnsafeElements { classes in
      for id in classes { counts[Int(id)] += 1 }
    }
  }

  /// The weight of each output: of the classes from 1 on.
  public var weights: [Float] {
    let total = Double(max(counts.reduce(0, +), 1))
    return counts.dropFirst().map { Float(1 / (Double($0) / total + Self.offset)) }
  }
}
