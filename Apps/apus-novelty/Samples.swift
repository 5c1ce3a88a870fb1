import Novelty
import Support
import Tensor

/// Where a sample came from.
struct SamplePlace: Hashable, Codable {
  /// The file.
  var file: String
  /// The row in it, from 1; nil for an image.
  var row: Int?

  var description: String { row.map { "\(file), row \($0)" } ?? file }
}

/// Samples as they were read: numbers, or pixels as bytes.
struct Samples {
  enum Values {
    case numbers(Tensor<Float>)
    case bytes(Tensor<UInt8>)

    var shape: Shape {
      switch self {
      case .numbers(let tensor): tensor.shape
      case .bytes(let tensor): tensor.shape
      }
    }
  }

  /// [N × …]; images are [N × H × W] or [N × 3 × H × W].
  let values: Values
  /// The name of each sample's class; nil for none.
  let classes: [String]?
  let places: [SamplePlace]
  /// How many of the first samples are the official training set.
  var officialTrainingCount: Int?

  init(_ values: Values, classes: [String]?, places: [SamplePlace]) throws(CommandFailure) {
    self.values = values
    self.classes = classes
    self.places = places
    guard let first = places.first else { throw CommandFailure("there are no samples") }
    if let classes, classes.count != places.count {
      throw CommandFailure("\(first.file): \(classes.count) labels for \(places.count) samples")
    }
    try checkFinite()
  }

  var count: Int { places.count }
  var sampleShape: [Int] { Array(values.shape.extents.dropFirst()) }
  var isImage: Bool {
    if case .bytes = values { true } else { false }
  }

  /// Some samples, pixels as numbers in [0, 1].
  subscript(indices: [Int]) -> Tensor<Float> {
    let rows = indices.map { Int32($0) }
    switch values {
    case .numbers(let tensor): return tensor.rows(rows)
    case .bytes(let tensor): return tensor.rows(rows).unitPixels()
    }
  }

  private func checkFinite() throws(CommandFailure) {
    guard case .numbers(let tensor) = values, count > 0 else { return }
    let width = tensor.count / count
    let place = tensor.withUnsafeElements { $0.firstIndex { !$0.isFinite } }
    if let place {
      throw CommandFailure(
        "\(places[place / width].description): number \(place % width + 1) is NaN or infinite; "
          + "remove or repair it"
      )
    }
  }

  /// The numbers that stand for classes: their own where all names are numbers, places in the sorted
  /// list of names otherwise.
  static func numbers(of classes: [String]) -> [Int32] {
    let names = Set(classes).sorted()
    let areNumbers = names.allSatisfy { name in Int32(name).map { "\($0)" == name } ?? false }
    if areNumbers { return classes.compactMap { Int32($0) } }
    let places = Dictionary(uniqueKeysWithValues: names.enumerated().map { ($1, Int32($0)) })
    return classes.compactMap { places[$0] }
  }

  /// The samples' classes, each once, in the order of their numbers.
  var classNames: [String] {
    guard let classes else { return [] }
    let numbers = Dictionary(zip(classes, Self.numbers(of: classes))) { first, _ in first }
    return numbers.sorted { $0.value < $1.value }.map(\.key)
  }

  /// Throws for a class that no sample has.
  func check(classes wanted: [String], option: String) throws(CommandFailure) {
    guard classes != nil else {
      throw CommandFailure("\(option) needs labels, and the samples have none")
    }
    let known = classNames
    if let unknown = wanted.first(where: { !known.contains($0) }) {
      throw CommandFailure(
        "\(option) \(unknown): no sample is of that class; there are "
          + known.joined(separator: ", ")
      )
    }
  }

  /// The samples for an evaluation.
  func labelled() throws -> LabelledSamples {
    guard let classes else {
      throw CommandFailure(
        "the samples have no labels, which tell normal from novel; use folders of classes, or "
          + "--label-column, --labels, --label-tensor"
      )
    }
    guard Set(classes).count > 1 else {
      throw CommandFailure(
        "all samples are of class \(classes[0]); an evaluation needs a second one that is novel"
      )
    }
    let labels = Self.numbers(of: classes)
    switch values {
    case .numbers(let tensor):
      return try LabelledSamples(
        inputs: tensor,
        labels: labels,
        officialTrainingCount: officialTrainingCount
      )
    case .bytes(let tensor):
      return try LabelledSamples(
        images: tensor,
        labels: labels,
        officialTrainingCount: officialTrainingCount
      )
    }
  }
}
