public import Checkpoints

/// How a byte-level tokenizer cuts text into the pieces that merges stay within.
///
/// Each is what released models of that name do, without their normalizers: a text decodes to itself.
public enum PreTokenPattern: String, CaseIterable, Codable, Hashable, Sendable {
  /// GPT-2: contractions, words, numbers and symbols, each with the space before it.
  case gpt2
  /// Llama 3: contractions in either case, numbers of three digits at most, line breaks apart.
  case llama3
  /// Qwen 2: as Llama 3, each digit alone.
  case qwen2
  /// SmolLM: each digit alone, the rest as GPT-2.
  case smollm

  /// The steps that the readers run.
  var preTokenizer: PreTokenizer {
    var result = PreTokenizer()
    result.isByteLevel = true
    result.steps =
      switch self {
      case .gpt2: [.pattern(.gpt2)]
      case .llama3: [.pattern(.llama3(digits: 3))]
      case .qwen2: [.pattern(.llama3(digits: 1))]
      case .smollm: [.digits(individually: true), .pattern(.gpt2)]
      }
    return result
  }

  /// The `pre_tokenizer` of a tokenizer.json.
  public var document: JSONValue {
    let steps = documentSteps
    return steps.count == 1 ? steps[0] : ["type": "Sequence", "pretokenizers": .array(steps)]
  }

  /// The steps of `document`.
  var documentSteps: [JSONValue] {
    switch self {
    case .gpt2: [Self.byteLevel(usingPattern: true)]
    case .llama3: [Self.split(digits: "{1,3}"), Self.byteLevel(usingPattern: false)]
    case .qwen2: [Self.split(digits: ""), Self.byteLevel(usingPattern: false)]
    case .smollm:
      [["type": "Digits", "individual_digits": true], Self.byteLevel(usingPattern: true)]
    }
  }

  /// The component `ByteLevel`, as a pre-tokenizer or a decoder.
  static func byteLevel(usingPattern: Bool) -> JSONValue {
    [
      "type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true,
      "use_regex": .bool(usingPattern),
    ]
  }

  private static func split(digits: String) -> JSONValue {
    let pattern =
      #"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}"# + digits
      + #"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"#
    return [
      "type": "Split", "pattern": ["Regex": .string(pattern)], "behavior": "Isolated",
      "invert": false,
    ]
  }
}
