import ArgumentParser
import ModelSupport
import Support
import Transformer

/// What a model is tuned or measured on.
struct DataArguments: ParsableArguments {
  static let defaultLength = 512

  @Option(
    help: ArgumentHelp(
      "A plain text in UTF-8, of which every token counts; may be repeated.",
      valueName: "file"
    )
  )
  var text: [String] = []

  @Option(
    help: ArgumentHelp(
      """
      Examples, one JSON object a line: {"messages": [...]}, {"prompt": "...", "response": "..."} or \
      {"instruction": "...", "input": "...", "output": "..."}; the replies count.
      """,
      valueName: "file"
    )
  )
  var data: String?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "Tokens that the model reads of a window or an example at most. (default: "
        + "\(Self.defaultLength), or the context)",
      valueName: "tokens"
    )
  )
  var length: Int?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "Tokens from one window's start to the next. (default: the length)",
      valueName: "tokens"
    )
  )
  var stride: Int?

  func validate() throws {
    guard text.isEmpty != (data == nil) else {
      throw ValidationError(
        data == nil ? "name a file with --text or --data" : "--text and --data exclude each other"
      )
    }
    if data != nil, stride != nil {
      throw ValidationError("--stride belongs to --text; leave it out")
    }
    for (name, value) in [("--length", length ?? 1), ("--stride", stride ?? 1)]
    where !(1...1 << 40 ~= value) {
      throw ValidationError("\(name) \(value) must lie between 1 and 2⁴⁰")
    }
  }

  /// T for a model.
  private func length(for file: ModelFile) throws(CommandFailure) -> Int {
    let context = file.pretrained.configuration.contextLength
    guard length ?? 1 <= context else {
      throw CommandFailure(
        "--length \(length ?? 0) exceeds the context of \(file.path), "
          + context.counted("token"),
        code: .usage
      )
    }
    return length ?? min(Self.defaultLength, context)
  }

  /// All examples.
  func examples(for file: ModelFile) throws -> TuningExamples {
    if let data { return try examples(data, for: file) }
    return try windows(of: text.map { try tokens(of: $0, for: file) }, for: file, text)
  }

  /// Other examples of the same kind.
  func otherExamples(_ path: String, for file: ModelFile) throws -> TuningExamples {
    guard data == nil else { return try examples(path, for: file) }
    return try windows(of: [tokens(of: path, for: file)], for: file, [path])
  }

  /// The examples without the last part, and that part.
  func parts(
    holdingBack share: Double,
    for file: ModelFile
  ) throws -> (training: TuningExamples, validation: TuningExamples) {
    if let data {
      let parts = try examples(data, for: file).split(holdingBack: share)
      guard parts.training.count > 0, parts.validation.count > 0 else {
        throw CommandFailure("--validation-share \(share) of \(data) leaves one part empty")
      }
      return parts
    }
    let files = try text.map { try tokens(of: $0, for: file).split(holdingBack: share) }
    return (
      try windows(of: files.map(\.training), for: file, text),
      try windows(of: files.map(\.validation), for: file, text)
    )
  }

  private func tokens(of path: String, for file: ModelFile) throws -> TokenFile {
    TokenFile(
      try file.tokens(of: TextFile(path: path).text),
      vocabularyCount: file.pretrained.configuration.vocabularyCount
    )
  }

  private func windows(
    of files: [TokenFile],
    for file: ModelFile,
    _ paths: [String]
  ) throws(CommandFailure) -> TuningExamples {
    let length = try length(for: file)
    let examples = TuningExamples(windowsOf: files, length: length, stride: stride)
    guard examples.count > 0 else {
      let count = files.map(\.count).max() ?? 0
      throw CommandFailure(
        "\(paths.joined(separator: ", ")): \(count.counted("token")) are fewer than a window of "
          + "\(length) and the one behind it; choose a longer text or a smaller --length"
      )
    }
    return examples
  }

  private func examples(_ path: String, for file: ModelFile) throws -> TuningExamples {
    try TuningExamples(
      path: path,
      format: TuningFormat(file.pretrained, maximumLength: length(for: file))
    )
  }
}
