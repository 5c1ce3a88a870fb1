import Checkpoints
import Foundation

/// What decides the bits of a run, in its folder as `run.json`: a run goes on only with the same.
struct RunSettings: Codable {
  var configuration: TransformerConfiguration
  var options: PretrainingOptions
  /// The digests of the tokens.
  var texts: TextDigests

  init(
    _ configuration: TransformerConfiguration,
    _ options: PretrainingOptions,
    _ texts: TextDigests
  ) {
    self.configuration = configuration
    self.options = options
    self.texts = texts
    // What is only watched does not matter.
    self.options.evaluationInterval = nil
    self.options.probeInterval = nil
    self.options.checkpointInterval = nil
    self.options.logInterval = 1
  }

  /// Writes the settings into a run's folder, or compares them with those that are there.
  ///
  /// - Throws: `PretrainingError` that names the first setting that differs.
  func claim(_ folder: String) throws {
    do throws(FileProblem) { try makeFolder(folder) } catch {
      throw PretrainingError("the folder \(folder) cannot be made: \(error)")
    }
    try TrainingJSON.claim(self, at: folder + "/run.json", what: "run")
  }
}

/// Which texts are trained on: digests of their tokens.
struct TextDigests: Codable, Hashable {
  var training: [String]
  var validation: String

  init(_ training: [TokenFile], _ validation: TokenFile) {
    self.training = training.map(\.digest)
    self.validation = validation.digest
  }
}

/// The JSON of runs and studies; numbers that are none keep their names.
enum TrainingJSON {
  private static let names = ("Infinity", "-Infinity", "NaN")

  static func data(_ value: some Encodable, isPretty: Bool = false) throws -> Data {
    let encoder = JSONEncoder()
    encoder.outputFormatting = isPretty ? [.prettyPrinted, .sortedKeys] : .sortedKeys
    encoder.nonConformingFloatEncodingStrategy = .convertToString(
      positiveInfinity: names.0,
      negativeInfinity: names.1,
      nan: names.2
    )
    return try encoder.encode(value)
  }

  /// Reads a file that `data` has made.
  ///
  /// - Throws: `PretrainingError` with the path.
  static func read<Value: Decodable>(_ path: String, as type: Value.Type) throws -> Value {
    let decoder = JSONDecoder()
    decoder.nonConformingFloatDecodingStrategy = .convertFromString(
      positiveInfinity: names.0,
      negativeInfinity: names.1,
      nan: names.2
    )
    do {
      return try decoder.decode(Value.self, from: Data(contentsOf: URL(filePath: path)))
    } catch is DecodingError {
      throw PretrainingError("\(path) is damaged or of another version; remove it to start over")
    } catch {
      throw PretrainingError("\(path) cannot be read: \(error.localizedDescription)")
    }
  }

  /// Writes a file, or checks that the one that is there says the same.
  ///
  /// - Throws: `PretrainingError` that names the first difference.
  static func claim(_ value: some Encodable, at path: String, what: String) throws {
    guard let reason = try refusal(of: value, at: path, what: what) else { return }
    throw PretrainingError(reason)
  }

  /// Writes a file, or says why the one that is there is of something else; nil if it says the same.
  static func refusal(
    of value: some Encodable,
    at path: String,
    what: String
  ) throws -> String? {
    let wanted = try data(value, isPretty: true)
    guard FileManager.default.fileExists(atPath: path) else {
      try AtomicFile.write(wanted, to: path)
      return nil
    }
    let found = try JSONValue.read(path)
    let new = try JSONValue.parse(String(decoding: wanted, as: UTF8.self))
    guard let key = found.firstDifference(to: new) else { return nil }
    return "\(path) belongs to a \(what) with other settings (\(key)); repeat its command to go "
      + "on, or choose a new folder"
  }
}
