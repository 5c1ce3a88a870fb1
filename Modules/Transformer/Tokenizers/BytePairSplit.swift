/// How a byte-level vocabulary of a GGUF file splits text, by the names of `tokenizer.ggml.pre`.
///
/// The names are llama.cpp's; several stand for one rule.
enum BytePairSplit: String, CaseIterable {
  /// GPT-2's pattern.
  case gpt2 = "gpt-2"
  /// Single digits, then GPT-2's pattern.
  case smollm
  /// The pattern of LLaMA 3, digits by threes; whole pieces come before merges.
  case llama3 = "llama-bpe"
  /// The same pattern without that: the vocabulary of cl100k and OLMo 2.
  case cl100k = "dbrx"
  /// The pattern of LLaMA 3 with single digits, on composed text.
  case qwen2

  private static let otherNames: [String: BytePairSplit] = [
    "default": .gpt2, "olmo": .gpt2, "llama3": .llama3, "llama-v3": .llama3,
    "deepseek-r1-qwen": .qwen2,
  ]

  init?(name: String) {
    guard let split = Self(rawValue: name) ?? Self.otherNames[name] else { return nil }
    self = split
  }

  /// How text is cut.
  var pattern: PreTokenPattern {
    switch self {
    case .gpt2: .gpt2
    case .smollm: .smollm
    case .llama3, .cl100k: .llama3
    case .qwen2: .qwen2
    }
  }

  static var names: [String] { (allCases.map(\.rawValue) + otherNames.keys).sorted() }
}

extension TokenizerMetadata {
  /// The rule that `tokenizer.ggml.pre` names; GPT-2's where the key is absent.
  func split() throws(TokenizerError) -> BytePairSplit {
    guard let pre else { return .gpt2 }
    guard let split = BytePairSplit(name: pre) else {
      throw .unsupported(
        path: "tokenizer.ggml.pre",
        name: pre.shortened,
        supported: BytePairSplit.names
      )
    }
    return split
  }
}
