public import Autograd
import Foundation
import Tensor

/// A picture, what to find on it, and where it is.
public struct GroundingExample: Sendable {
  /// The whole picture.
  public var image: RGBImage
  /// What to click.
  public var instruction: String
  /// Where that is, in pixels of the picture.
  public var target: GroundingTarget

  /// An example.
  public init(image: RGBImage, instruction: String, target: GroundingTarget) {
    self.image = image
    self.instruction = instruction
    self.target = target
  }
}

/// Examples by number: what policies are trained and measured on.
///
///     let pages = GroundingExamples.synthetic(6_000, seed: 2)
///
/// Examples are made or read when they are asked for, so there may be more than fit into memory.
public struct GroundingExamples: Dataset {
  /// The name for reports.
  public let name: String
  /// The number of examples.
  public let count: Int
  /// An example, always the same for the same number.
  public let example: (_ index: Int) throws -> GroundingExample

  /// Examples that a closure gives.
  ///
  /// - Parameters:
  ///   - name: the name for reports.
  ///   - count: how many there are.
  ///   - example: gives example `index`, always the same.
  public init(
    name: String,
    count: Int,
    example: @escaping (_ index: Int) throws -> GroundingExample
  ) {
    (self.name, self.count, self.example) = (name, count, example)
  }

  /// Examples that lie in memory.
  public init(name: String, _ examples: [GroundingExample]) {
    self.init(name: name, count: examples.count) { examples[$0] }
  }

  /// The numbers of examples: a training step asks for them one by one.
  public subscript(indices: [Int]) -> [Int] { indices }

  /// The examples of a range of numbers.
  public subscript(range: Range<Int>) -> GroundingExamples {
    expect(
      range.lowerBound >= 0 && range.upperBound <= count,
      "examples: \(range) of \(count)"
    )
    let example = example
    return GroundingExamples(name: name, count: range.count) {
      try example(range.lowerBound + $0)
    }
  }

  /// The same examples, each kept in memory when it is first asked for, until `byteCount` are full.
  public func cached(byteCount: Int = 1 << 30) -> GroundingExamples {
    let memory = ExampleMemory(byteCount: byteCount)
    let make = example
    return GroundingExamples(name: name, count: count) { try memory.example($0, make) }
  }
}

extension GroundingExamples {
  /// Synthetic pages 0 ..< `count` of a seed.
  public static func synthetic(
    _ count: Int,
    seed: UInt64,
    options: SyntheticPageOptions = SyntheticPageOptions()
  ) -> GroundingExamples {
    GroundingExamples(name: "synthetic, seed \(seed)", count: count) { index in
      let page = SyntheticPage(index: index, seed: seed, options: options)
      return GroundingExample(
        image: page.image,
        instruction: page.instruction.text,
        target: GroundingTarget(box: page.box)
      )
    }
  }

  /// The rows of a data set with their pictures: rendered pages, screenshots.
  ///
  /// Rows without a place to click are left out, and so are those whose target is in shares of a
  /// picture whose size nobody knows. Pictures are read when they are asked for; those of the last
  /// `byteCount` bytes stay in memory, once for all rows on the same screenshot.
  ///
  /// - Parameters:
  ///   - dataset: the rows.
  ///   - split: the part that is taken, such as `train`; nil for all.
  ///   - byteCount: the memory for pictures.
  ///   - isIncluded: which of the rows; all by default.
  /// - Returns: the examples, in the order of the rows.
  public static func rows(
    of dataset: GroundingDataset,
    split: String? = nil,
    byteCount: Int = 1 << 30,
    where isIncluded: (GroundingItem) -> Bool = { _ in true }
  ) -> GroundingExamples {
    let rows = split.map { dataset.items(split: $0) } ?? dataset.items
    let usable = rows.filter {
      $0.target.center != nil && $0.unit == .pixels && isIncluded($0)
    }
    let memory = PictureMemory(byteCount: byteCount)
    let name = dataset.layout.rawValue + (split.map { ", \($0)" } ?? "")
    return GroundingExamples(name: name, count: usable.count) { index in
      let item = usable[index]
      return GroundingExample(
        image: try memory.picture(item.imagePath) { try dataset.image(item) },
        instruction: item.instruction,
        target: item.target
      )
    }
  }
}

/// The pictures that were read last, the oldest of which make room.
private final class PictureMemory {
  private var pictures: [String: RGBImage] = [:]
  private var order: [String] = []
  private var freeBytes: Int

  init(byteCount: Int) { freeBytes = byteCount }

  func picture(_ path: String, _ read: () throws -> RGBImage) rethrows -> RGBImage {
    if let picture = pictures[path] { return picture }
    let picture = try read()
    pictures[path] = picture
    order.append(path)
    freeBytes -= picture.pixels.count
    while freeBytes < 0, order.count > 1 {
      freeBytes += pictures.removeValue(forKey: order.removeFirst())?.pixels.count ?? 0
    }
    return picture
  }
}

/// The examples that a set has in memory.
private final class ExampleMemory {
  private var examples: [Int: GroundingExample] = [:]
  private var freeBytes: Int

  init(byteCount: Int) { freeBytes = byteCount }

  func example(
    _ index: Int,
    _ make: (Int) throws -> GroundingExample
  ) rethrows -> GroundingExample {
    if let example = examples[index] { return example }
    let example = try make(index)
    let bytes = example.image.pixels.count
    if bytes <= freeBytes {
      freeBytes -= bytes
      examples[index] = example
    }
    return example
  }
}
