import Checkpoints
import Foundation
public import Tensor

/// Everything that a detector has learned, as named tensors.
public struct DetectorState: Sendable {
  /// Numbers.
  public var tensors: [String: Tensor<Float>] = [:]
  /// Labels, counts and extents.
  public var integers: [String: [Int32]] = [:]
  /// The file that this came from, for messages.
  var path = "detector state"

  /// Nothing yet.
  public init() {}

  /// A tensor that must be there.
  ///
  /// - Throws: `NoveltyError.content`.
  public func tensor(_ name: String, rank: Int) throws(NoveltyError) -> Tensor<Float> {
    guard let tensor = tensors[name] else {
      throw .content(path: path, reason: "there is no tensor \(name)")
    }
    guard tensor.rank == rank else {
      throw .content(path: path, reason: "\(name) is \(tensor.shape), \(rank) axes are needed")
    }
    return tensor
  }

  /// A tensor of a shape that is known.
  ///
  /// - Throws: `NoveltyError.content`.
  public func tensor(_ name: String, shape: Shape) throws(NoveltyError) -> Tensor<Float> {
    let tensor = try tensor(name, rank: shape.rank)
    guard tensor.shape == shape else {
      throw .content(path: path, reason: "\(name) is \(tensor.shape), expected \(shape)")
    }
    return tensor
  }

  /// Numbers that must be there.
  ///
  /// - Throws: `NoveltyError.content`.
  public func numbers(_ name: String) throws(NoveltyError) -> [Int32] {
    guard let numbers = integers[name] else {
      throw .content(path: path, reason: "there are no numbers \(name)")
    }
    return numbers
  }

  /// The extents of a sample; small enough to be multiplied.
  ///
  /// - Throws: `NoveltyError.content`.
  func sampleShape() throws(NoveltyError) -> [Int] {
    let extents = try numbers(Self.sampleShapeName).map { Int($0) }
    let product = extents.reduce(1.0) { $0 * Double($1) }
    guard (1...5).contains(extents.count), extents.allSatisfy({ $0 > 0 }), product < 1e9 else {
      throw .content(path: path, reason: "a sample of shape \(extents)")
    }
    return extents
  }

  mutating func setSampleShape(_ extents: [Int]) {
    integers[Self.sampleShapeName] = extents.map { Int32(clamping: $0) }
  }

  private static let sampleShapeName = "sample.shape"

  /// The parts whose names begin with a prefix and a dot, without it.
  func part(_ prefix: String) -> DetectorState {
    var part = DetectorState()
    part.path = path
    let start = prefix + "."
    for (name, tensor) in tensors where name.hasPrefix(start) {
      part.tensors[String(name.dropFirst(start.count))] = tensor
    }
    for (name, numbers) in integers where name.hasPrefix(start) {
      part.integers[String(name.dropFirst(start.count))] = numbers
    }
    return part
  }

  /// Adds the parts of another state under a prefix.
  mutating func add(_ other: DetectorState, under prefix: String) {
    for (name, tensor) in other.tensors { tensors[prefix + "." + name] = tensor }
    for (name, numbers) in other.integers { integers[prefix + "." + name] = numbers }
  }
}

extension NoveltyDetector {
  /// Writes the detector to one safetensors file, which appears complete or not at all.
  ///
  /// Its metadata holds the kind, the configuration and the calibration as JSON, and the version of
  /// the format.
  ///
  /// - Throws: `NoveltyError.notFitted`, `.file`.
  public func save(to path: String) throws(NoveltyError) {
    let state = try state()
    var metadata = [DetectorFile.kindKey: Self.kind, DetectorFile.versionKey: "1"]
    metadata[DetectorFile.configurationKey] = try DetectorFile.text(of: configuration)
    if let calibration {
      metadata[DetectorFile.calibrationKey] = try DetectorFile.text(of: calibration)
    }
    let items =
      state.tensors.map { SafetensorsItem($0.key, $0.value) }
      + state.integers.map { SafetensorsItem($0.key, Tensor<Int32>($0.value)) }
    try filing { () throws(CheckpointError) in
      try SafetensorsFile.write(items, metadata: metadata, to: path)
    }
  }

  /// The detector in a file of this kind.
  ///
  /// - Throws: `NoveltyError.content`, `.file`.
  public init(contentsOf path: String) throws(NoveltyError) {
    try self.init(DetectorFile(path))
  }

  init(_ file: DetectorFile) throws(NoveltyError) {
    guard file.kind == Self.kind else {
      throw .content(path: file.path, reason: "a detector \(file.kind), expected \(Self.kind)")
    }
    let configuration: Configuration = try file.decode(DetectorFile.configurationKey)
    self.init(configuration)
    try restore(file.state())
    if file.metadata[DetectorFile.calibrationKey] != nil {
      let stored: NoveltyCalibration = try file.decode(DetectorFile.calibrationKey)
      calibration = try NoveltyCalibration(normalScores: stored.normalScores, rule: stored.rule)
    }
  }
}

/// A detector's file: safetensors with what else there is in the metadata.
struct DetectorFile {
  static let kindKey = "apus.novelty.detector"
  static let versionKey = "apus.novelty.version"
  static let configurationKey = "apus.novelty.configuration"
  static let calibrationKey = "apus.novelty.calibration"

  let path: String
  let kind: String
  private let file: SafetensorsFile
  var metadata: [String: String] { file.metadata }

  init(_ path: String) throws(NoveltyError) {
    self.path = path
    file = try filing { () throws(CheckpointError) in
      try SafetensorsFile(path: path, mode: .inMemory)
    }
    guard let kind = file.metadata[Self.kindKey] else {
      throw .content(path: path, reason: "no detector: the metadata lacks \(Self.kindKey)")
    }
    guard file.metadata[Self.versionKey] == "1" else {
      let version = file.metadata[Self.versionKey] ?? "none"
      throw .content(path: path, reason: "version \(version) of the format, 1 is supported")
    }
    self.kind = kind
  }

  func state() throws(NoveltyError) -> DetectorState {
    var state = DetectorState()
    state.path = path
    for entry in file.entries {
      if entry.type == .int32 {
        state.integers[entry.name] = try filing { () throws(CheckpointError) in
          try file.tensor(named: entry.name, as: Int32.self).elements
        }
      } else {
        let tensor = try filing { () throws(CheckpointError) in
          try file.tensor(named: entry.name)
        }
        guard let _ = try? tensor.checkFinite("load") else {
          throw .content(path: path, reason: "\(entry.name) holds NaN or infinity")
        }
        state.tensors[entry.name] = tensor
      }
    }
    return state
  }

  func decode<Value: Decodable>(_ key: String) throws(NoveltyError) -> Value {
    guard let text = metadata[key] else {
      throw .content(path: path, reason: "the metadata lacks \(key)")
    }
    do { return try JSONDecoder().decode(Value.self, from: Data(text.utf8)) } catch {
      throw .content(path: path, reason: "\(key): \(error)")
    }
  }

  static func text(of value: some Encodable) throws(NoveltyError) -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys]
    do { return String(decoding: try encoder.encode(value), as: UTF8.self) } catch {
      throw .configuration("it does not encode: \(error)")
    }
  }
}
