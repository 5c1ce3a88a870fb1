public import Autograd
public import Tensor

/// The loss of a segmentation network: Lovász-Softmax and weighted cross-entropy, each over points
/// and over voxels.
///
///     loss = a Lovász(points) + b WCE(points) + c Lovász(voxels) + d WCE(voxels)
///
/// - Source: Kim et al. 2024: a = b = c = d = 1.
public struct SegmentationLoss: Codable, Hashable, Sendable {
  /// The weight of each class in the cross-entropy; nil for equal ones.
  public var classWeights: [Float]?
  /// a, the weight of Lovász-Softmax over points; a part of weight 0 is not computed.
  public var pointLovasz: Float = 1
  /// b, the weight of the cross-entropy over points.
  public var pointCrossEntropy: Float = 1
  /// c, the weight of Lovász-Softmax over voxels.
  public var voxelLovasz: Float = 1
  /// d, the weight of the cross-entropy over voxels.
  public var voxelCrossEntropy: Float = 1
  /// Which classes Lovász-Softmax averages.
  public var lovaszClasses = LovaszClasses.present
  /// The target of points and voxels that do not count.
  public var ignoredTarget: Int32 = -1

  /// The four parts with weight 1.
  public init(classWeights: [Float]? = nil) { self.classWeights = classWeights }

  /// Logits of rows and the targets they should give.
  ///
  /// - Shapes: logits [N × C], targets [N] of 0 ..< C or the ignored target.
  public struct Rows {
    /// The network's output [N × C].
    public var logits: Variable
    /// The classes that it should give [N].
    public var targets: Tensor<Int32>

    /// Logits [N × C] and targets [N].
    public init(logits: Variable, targets: Tensor<Int32>) {
      self.logits = logits
      self.targets = targets
    }
  }

  /// The loss and its parts, which are not weighted; nil for a part that was not computed.
  public struct Value {
    /// The weighted sum, to differentiate.
    public var total: Variable
    /// Lovász-Softmax over points.
    public var pointLovasz: Float?
    /// The weighted cross-entropy over points.
    public var pointCrossEntropy: Float?
    /// Lovász-Softmax over voxels.
    public var voxelLovasz: Float?
    /// The weighted cross-entropy over voxels.
    public var voxelCrossEntropy: Float?
  }

  /// The loss of points and voxels.
  public func callAsFunction(points: Rows, voxels: Rows) -> Value {
    var value = Value(total: Variable(0))
    value.pointLovasz = add(pointLovasz, to: &value.total) { lovasz(points) }
    value.pointCrossEntropy = add(pointCrossEntropy, to: &value.total) { crossEntropy(points) }
    value.voxelLovasz = add(voxelLovasz, to: &value.total) { lovasz(voxels) }
    value.voxelCrossEntropy = add(voxelCrossEntropy, to: &value.total) { crossEntropy(voxels) }
    return value
  }

  /// The loss of a network whose points take the logits of their voxel, or interpolate them.
  ///
  /// - Shapes: logits [V × C], pointTargets [P], voxelTargets [V].
  public func callAsFunction(
    voxelLogits logits: Variable,
    members: VoxelMembers,
    interpolation: VoxelInterpolation? = nil,
    pointTargets: Tensor<Int32>,
    voxelTargets: Tensor<Int32>
  ) -> Value {
    let isOfPoints = pointLovasz != 0 || pointCrossEntropy != 0
    let voxels = Rows(logits: logits, targets: voxelTargets)
    guard isOfPoints else { return self(points: voxels, voxels: voxels) }
    let logitsOfPoints =
      interpolation.map { $0(logits) } ?? logits.taking(members.pointToVoxel, axis: 0)
    return self(points: Rows(logits: logitsOfPoints, targets: pointTargets), voxels: voxels)
  }

  private func add(_ weight: Float, to total: inout Variable, _ part: () -> Variable) -> Float? {
    guard weight != 0 else { return nil }
    let loss = part()
    total = total + (weight == 1 ? loss : loss * weight)
    return loss.item
  }

  private func lovasz(_ rows: Rows) -> Variable {
    lovaszSoftmax(
      logits: rows.logits,
      targets: rows.targets,
      classes: lovaszClasses,
      ignoring: ignoredTarget
    )
  }

  private func crossEntropy(_ rows: Rows) -> Variable {
    weightedCrossEntropy(
      logits: rows.logits,
      targets: rows.targets,
      weights: classWeights,
      ignoring: ignoredTarget
    )
  }
}

/// The outputs that a network should give for classes: class c is output c − 1, and class 0, which
/// does not count, is −1.
///
/// - Shapes: as `classes`.
public func segmentationTargets(ofClasses classes: Tensor<Int32>) -> Tensor<Int32> {
  classes - 1
}
