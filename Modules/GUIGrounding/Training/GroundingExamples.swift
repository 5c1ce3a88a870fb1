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

  /// Rows of a data set with their pictures: rendered pages, screenshots.
  ///
  /// Rows without a place to click are left out, and so are rows whose target is in shares while
  /// nobody knows the size of the picture; pictures are read when they are asked for.
  ///
  /// - Parameters:
  ///   - items: the rows.
  ///   - folder: the folder that the rows' paths start from.
  ///   - name: the name for reports.
  /// - Returns: the examples, in the order of the rows.
  public static func items(
    _ items: [GroundingItem],
    imagesIn folder: String,
    name: String
  ) -> GroundingExamples {
    let usable = items.filter { $0.target.center != nil && $0.unit == .pixels }
    return GroundingExamples(name: name, count: usable.count) { index in
      let item = usable[index]
      return GroundingExample(
        image: try RGBImage(contentsOf: folder + "/" + item.imagePath),
        instruction: item.instruction,
        target: item.target
      )
    }
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
