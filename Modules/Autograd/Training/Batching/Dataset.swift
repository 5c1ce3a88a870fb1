import Tensor

/// Examples by number: what batches are drawn from.
///
/// A dataset says how many examples it has and puts chosen ones together. What a batch is belongs to
/// the dataset: a tuple of tensors, sequences padded to one length, paths of files that the step
/// then reads.
///
///     struct Windows: Dataset {
///       let tokens: Tensor<Int32>
///       var count: Int { tokens.count - 128 }
///       subscript(indices: [Int]) -> Tensor<Int32> {
///         .concatenating(indices.map { tokens[$0..<$0 + 129].reshaped(to: [1, 129]) })
///       }
///     }
public protocol Dataset {
  /// What a training step takes.
  associatedtype Batch

  /// The number of examples.
  var count: Int { get }

  /// The examples `indices`, each in 0 ..< count, in that order.
  subscript(indices: [Int]) -> Batch { get }
}

extension Dataset {
  /// Batches of this dataset, epoch after epoch.
  ///
  ///     for (x, y) in data.batches(of: 64, order: .shuffled(seed: 1), epochs: 3) { … }
  ///
  /// - Parameters:
  ///   - size: the examples of a batch.
  ///   - order: the order of the examples in an epoch.
  ///   - epochs: where the batches end; nil goes on for ever.
  ///   - dropsRemainder: whether the short batch at the end of an epoch is left out.
  /// - Returns: a sequence that makes each batch when it is asked for.
  public func batches(
    of size: Int,
    order: ExampleOrder,
    epochs: Int? = nil,
    dropsRemainder: Bool = false
  ) -> Batches<Self> {
    let sampler = BatchSampler(
      count: count,
      batchSize: size,
      order: order,
      epochs: epochs,
      dropsRemainder: dropsRemainder
    )
    return Batches(of: self, by: sampler)
  }
}

/// The batches of a dataset in the order of a sampler: a sequence that knows where it stands.
///
/// `position` is all that a run must keep to go on with the same batches later.
public struct Batches<Data: Dataset>: Sequence, IteratorProtocol {
  /// Where the examples come from.
  public let data: Data
  /// What chooses them.
  public private(set) var sampler: BatchSampler

  /// Batches of `data` as `sampler` chooses them; their numbers of examples must agree.
  public init(of data: Data, by sampler: BatchSampler) {
    expect(
      data.count == sampler.count,
      "batches: the sampler counts \(sampler.count) examples, the dataset \(data.count)"
    )
    self.data = data
    self.sampler = sampler
  }

  /// The place of the next batch; set it to go on from there.
  public var position: BatchPosition {
    get { sampler.position }
    set { sampler.position = newValue }
  }

  /// The next batch; nil after the last epoch.
  public mutating func next() -> Data.Batch? { sampler.next().map { data[$0.indices] } }
}

extension Batches: Sendable where Data: Sendable {}
