public import Tensor

/// The order of the examples in an epoch.
public enum ExampleOrder: Hashable, Sendable, Codable {
  /// 0, 1, 2, …: for evaluation.
  case sequential
  /// A new order in each epoch, which depends on the seed and the epoch alone.
  case shuffled(seed: UInt64)
}

/// A place in a run: which epoch, and which batch of it; both from 0.
public struct BatchPosition: Hashable, Sendable, Codable, Comparable {
  /// The epoch.
  public var epoch: Int
  /// The batch in the epoch.
  public var batch: Int

  /// A place; the first batch of the first epoch when nothing is said.
  public init(epoch: Int = 0, batch: Int = 0) {
    (self.epoch, self.batch) = (epoch, batch)
  }

  /// Whether one place comes before another.
  public static func < (left: BatchPosition, right: BatchPosition) -> Bool {
    (left.epoch, left.batch) < (right.epoch, right.batch)
  }
}

/// The numbers of the examples that make one batch.
public struct BatchIndices: Hashable, Sendable {
  /// Which batch this is.
  public let position: BatchPosition
  /// The examples, each in 0 ..< count.
  public let indices: [Int]

  /// The examples as a tensor [indices.count], for gathering.
  public var tensor: Tensor<Int32> { Tensor(indices.map { Int32($0) }) }
}

/// Chooses the examples of each batch: every example once in an epoch, in the order of the epoch.
///
///     var sampler = BatchSampler(count: 60_000, batchSize: 64, order: .shuffled(seed: 1))
///     while let batch = sampler.next() { … images.taking(batch.tensor, axis: 0) … }
///
/// The order of epoch e comes from `Philox(seed:).fork(e)` alone, the same on every machine, so
/// `position` is the whole state: set it, and the batches go on from there.
///
/// - Complexity: O(count) memory and time for each epoch's order, O(batchSize) a batch.
public struct BatchSampler: Sequence, IteratorProtocol, Sendable {
  /// The number of examples.
  public let count: Int
  /// The examples of a batch.
  public let batchSize: Int
  /// The order of the examples in an epoch.
  public let order: ExampleOrder
  /// The number of epochs; nil goes on for ever.
  public let epochs: Int?
  /// Whether the short batch at the end of an epoch is left out.
  public let dropsRemainder: Bool
  /// The place of the next batch.
  public var position = BatchPosition() {
    didSet {
      expect(
        position.epoch >= 0 && (0...batchesPerEpoch).contains(position.batch),
        "batch sampler: epoch \(position.epoch), batch \(position.batch) of \(batchesPerEpoch)"
      )
    }
  }
  /// The order of epoch `shuffledEpoch`.
  private var permutation: [Int32] = []
  private var shuffledEpoch: Int?

  /// A sampler over examples 0 ..< `count`, which stands at the first batch.
  ///
  /// There must be a batch in an epoch: `count` ≥ 1, and ≥ `batchSize` where the remainder is
  /// dropped; at most 2³¹ − 1 examples.
  public init(
    count: Int,
    batchSize: Int,
    order: ExampleOrder,
    epochs: Int? = nil,
    dropsRemainder: Bool = false
  ) {
    expect(
      batchSize > 0 && count >= (dropsRemainder ? batchSize : 1),
      "batch sampler: \(count) examples make no batch of \(batchSize)"
    )
    expect(count <= Int(Int32.max), "batch sampler: \(count) examples, at most \(Int32.max)")
    self.count = count
    self.batchSize = batchSize
    self.order = order
    self.epochs = epochs
    self.dropsRemainder = dropsRemainder
  }

  /// The number of batches in an epoch.
  public var batchesPerEpoch: Int {
    dropsRemainder ? count / batchSize : (count + batchSize - 1) / batchSize
  }

  /// The next batch; nil after the last epoch.
  public mutating func next() -> BatchIndices? {
    if position.batch == batchesPerEpoch {
      position = BatchPosition(epoch: position.epoch + 1)
    }
    if let epochs, position.epoch >= epochs { return nil }
    let start = position.batch * batchSize
    let range = start..<Swift.min(start + batchSize, count)
    let batch = BatchIndices(position: position, indices: examples(range, of: position.epoch))
    position.batch += 1
    return batch
  }

  private mutating func examples(_ range: Range<Int>, of epoch: Int) -> [Int] {
    guard case .shuffled(let seed) = order else { return Array(range) }
    if shuffledEpoch != epoch {
      var generator = Philox(seed: seed).fork(epoch)
      permutation = generator.permutation(count: count)
      shuffledEpoch = epoch
    }
    return permutation[range].map { Int($0) }
  }
}

extension Philox {
  /// The numbers 0 ..< `count` in random order, each order equally likely.
  ///
  /// - Source: Durstenfeld 1964, Algorithm 235 ("Fisher-Yates").
  mutating func permutation(count: Int) -> [Int32] {
    var numbers = (0..<Int32(count)).map { $0 }
    for last in stride(from: count - 1, to: 0, by: -1) {
      numbers.swapAt(last, integer(below: last + 1))
    }
    return numbers
  }
}
