import ModelSupport
import Support
import Transformer

/// A model as it is used: alone, or tuned by an adapter.
struct ModelVariant {
  let file: ModelFile
  let adapter: TaskFile?

  /// The names as they were typed: "small + law".
  var name: String { adapter.map { "\(file.path) + \($0.path)" } ?? file.path }

  /// The model.
  func makeModel(_ settings: ModelArguments) throws -> DecoderModel {
    try file.makeModel(
      settings.computation.computation,
      adapter: adapter,
      cache: settings.computation.kvBits?.precision
    )
  }

  /// Every model with every adapter; alone where there is none.
  static func all(_ models: [String], adapters: [String]) throws -> [ModelVariant] {
    let files = try models.map { try ModelFile(path: $0) }
    guard !adapters.isEmpty else { return files.map { ModelVariant(file: $0, adapter: nil) } }
    let tasks = try adapters.map { try TaskFile(path: $0) }
    return files.flatMap { file in tasks.map { ModelVariant(file: file, adapter: $0) } }
  }
}
