import Checkpoints
public import Tensor

/// Samples of several classes, from which an evaluation makes normal and novel ones.
///
/// Images of bytes stay bytes until they are taken.
public struct LabelledSamples: Sendable {
  private enum Storage {
    case numbers(Tensor<Float>)
    case bytes(Tensor<UInt8>)
  }

  private let storage: Storage
  /// The class of each sample.
  public let labels: [Int32]
  /// How many of the first samples are the official training set; nil for no official split.
  public let officialTrainingCount: Int?

  /// Samples [N × …].
  ///
  /// - Throws: `NoveltyError.labelCount`.
  public init(
    inputs: Tensor<Float>,
    labels: [Int32],
    officialTrainingCount: Int? = nil
  ) throws(NoveltyError) {
    try self.init(.numbers(inputs), inputs.shape, labels, officialTrainingCount)
  }

  /// Images of bytes [N × …], whose pixels become numbers in [0, 1].
  ///
  /// - Throws: `NoveltyError.labelCount`.
  public init(
    images: Tensor<UInt8>,
    labels: [Int32],
    officialTrainingCount: Int? = nil
  ) throws(NoveltyError) {
    try self.init(.bytes(images), images.shape, labels, officialTrainingCount)
  }

  /// The four files of MNIST or of one of its relatives: the training set, then the test set.
  ///
  /// - Throws: `NoveltyError.file`, also for other arrays than images and their labels; `.shape` for
  ///   images of two sizes.
  public init(idxFolder folder: String) throws(NoveltyError) {
    var (images, labels): ([Tensor<UInt8>], [Int32]) = ([], [])
    for part in IDXImages.Part.allCases {
      let set = try filing { () throws(CheckpointError) in try IDXImages(part, in: folder) }
      images.append(set.pixels)
      labels += set.labels.elements.map { Int32($0) }
    }
    guard images[0].shape.extents.dropFirst() == images[1].shape.extents.dropFirst() else {
      throw .shape(operation: "read", expected: "\(images[0].shape)", found: images[1].shape)
    }
    try self.init(
      images: .concatenating(images),
      labels: labels,
      officialTrainingCount: images[0].shape[0]
    )
  }

  private init(
    _ storage: Storage,
    _ shape: Shape,
    _ labels: [Int32],
    _ officialTrainingCount: Int?
  ) throws(NoveltyError) {
    let count = shape.rank > 0 ? shape[0] : 0
    guard count == labels.count else {
      throw .labelCount(inputs: count, labels: labels.count)
    }
    if let officialTrainingCount, !(0...count).contains(officialTrainingCount) {
      throw .configuration("\(officialTrainingCount) of \(count) samples for training")
    }
    self.storage = storage
    self.labels = labels
    self.officialTrainingCount = officialTrainingCount
  }

  /// N.
  public var count: Int { labels.count }

  /// The classes, ascending.
  public var classes: [Int32] { Set(labels).sorted() }

  /// Some samples, in the given order.
  public subscript(indices: [Int]) -> Tensor<Float> {
    let places = indices.map { Int32($0) }
    switch storage {
    case .numbers(let inputs): return inputs.rows(places)
    case .bytes(let images): return images.rows(places).unitPixels()
    }
  }

  /// What tells these samples from others, for files of results.
  var fingerprint: String {
    let sum =
      switch storage {
      case .numbers(let inputs): "\(inputs.shape) \(inputs.sum())"
      case .bytes(let images):
        "\(images.shape) \(images.withUnsafeElements { $0.reduce(0) { $0 &+ Int($1) } })"
      }
    var hash = 0
    for label in labels { hash = hash &* 31 &+ Int(label) }
    return "\(sum) \(hash)"
  }
}
