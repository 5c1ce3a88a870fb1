public import Tensor

/// How a mean over classes treats those that occur neither in the truth nor in the predictions.
public enum AbsentClasses: String, Codable, Sendable {
  /// Their IoU is 0: the evaluators of SemanticKITTI and DGLSS.
  case zero
  /// They are left out: the evaluator of nuScenes.
  case leftOut
}

/// How often each class was predicted for points of each class, and the measures that follow.
///
/// Class 0 is the background: points of it are counted, but no measure takes them into account. A
/// point of another class that is predicted as background is a miss.
///
///     IoU_c = TP / (TP + FP + FN)
///
/// - Shapes: labels and predictions [P] of 0 ... classCount.
public struct SegmentationConfusion: Codable, Hashable, Sendable {
  /// C, the number of classes besides the background.
  public let classCount: Int
  /// The counts, row by row [(C + 1) × (C + 1)]: rows the truth, columns the predictions.
  public private(set) var counts: [Int]

  /// No points yet of `classCount` classes besides the background.
  public init(classCount: Int) {
    expect(classCount > 0, "confusion: a count of \(classCount) classes")
    self.classCount = classCount
    counts = Array(repeating: 0, count: (classCount + 1) * (classCount + 1))
  }

  /// Counts points by their class and what was predicted for them.
  ///
  /// - Shapes: both [P] of 0 ... classCount.
  public mutating func add(labels: Tensor<Int32>, predictions: Tensor<Int32>) {
    expect(
      labels.shape == predictions.shape,
      "confusion: labels and predictions differ, \(labels.shape) · \(predictions.shape)"
    )
    let width = classCount + 1
    labels.check(below: width, "confusion", of: [width])
    predictions.check(below: width, "confusion", of: [width])
    labels.withUnsafeElements { labels in
      predictions.withUnsafeElements { predictions in
        counts.withUnsafeMutableBufferPointer { counts in
          for point in labels.indices {
            counts[Int(labels[point]) * width + Int(predictions[point])] += 1
          }
        }
      }
    }
  }

  /// Adds the counts of another confusion of the same classes.
  public mutating func add(_ other: SegmentationConfusion) {
    expect(
      other.classCount == classCount,
      "confusion: \(classCount) classes · \(other.classCount) classes"
    )
    for index in counts.indices { counts[index] += other.counts[index] }
  }

  /// How many points of class `label` were predicted as `prediction`.
  public func count(label: Int, prediction: Int) -> Int {
    expect(
      min(label, prediction) >= 0 && max(label, prediction) <= classCount,
      "confusion: classes \(label) and \(prediction) of 0 ... \(classCount)"
    )
    return counts[label * (classCount + 1) + prediction]
  }

  /// The number of points that count: all but those of the background.
  public var pointCount: Int { counts.dropFirst(classCount + 1).reduce(0, +) }

  /// The share of the points that were predicted right; 0 without points.
  public var accuracy: Double {
    let right = (1...classCount).reduce(0) { $0 + count(label: $1, prediction: $1) }
    return Double(right) / Double(max(pointCount, 1))
  }

  /// The IoU of a class from 1 to C; nil if it occurs neither in the truth nor in the predictions.
  public func intersectionOverUnion(_ id: Int) -> Double? {
    let right = count(label: id, prediction: id)
    let labelled = (0...classCount).reduce(0) { $0 + count(label: id, prediction: $1) }
    let predicted = (1...classCount).reduce(0) { $0 + count(label: $1, prediction: id) }
    let union = labelled + predicted - right
    return union == 0 ? nil : Double(right) / Double(union)
  }

  /// The IoU of the classes from 1 to C, in their order; nil for absent ones.
  public var intersectionsOverUnions: [Double?] {
    (1...classCount).map { intersectionOverUnion($0) }
  }

  /// The mean IoU of some classes from 1 to C, of all by default; 0 if none is there.
  public func meanIntersectionOverUnion(
    of classes: ClosedRange<Int>? = nil,
    absent: AbsentClasses
  ) -> Double {
    let values = (classes ?? 1...classCount).map { intersectionOverUnion($0) }
    let present = values.compactMap { $0 }
    let divisor = absent == .zero ? values.count : present.count
    return present.reduce(0, +) / Double(max(divisor, 1))
  }
}

extension SegmentationConfusion {
  /// The things among the ten common classes: car to pedestrian.
  public static let commonThings = 1...6
  /// The stuff among the ten common classes: drivable surface to vegetation.
  public static let commonStuff = 7...10

  /// The harmonic mean of results on several targets, n / Σ (1 / m); 0 if one is 0, or without any.
  ///
  /// - Source: the DGLSS repository.
  public static func harmonicMean(_ means: [Double]) -> Double {
    guard !means.isEmpty, means.allSatisfy({ $0 > 0 }) else { return 0 }
    return Double(means.count) / means.reduce(0) { $0 + 1 / $1 }
  }
}
