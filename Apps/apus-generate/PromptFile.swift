import Support

/// Prompts out of a file: one a line, empty lines left out.
struct PromptFile {
  let prompts: [String]

  /// Reads a file; `-` is standard input.
  init(path: String) throws(CommandFailure) {
    let text = try TextFile(path: path == "-" ? "/dev/stdin" : path).text
    prompts = text.split(whereSeparator: \.isNewline).map { String($0) }
  }
}
