import Checkpoints
import Tensor
import Transformer

/// Small tokenizer.json values to test with.
enum TinyTokenizers {
  /// The 256 characters of the byte alphabet, by byte.
  static let alphabet: [String] = {
    var next: UInt32 = 256
    return (UInt32(0)..<256).map { byte in
      let isPrintable = 33...126 ~= byte || 161...172 ~= byte || 174...255 ~= byte
      let value = isPrintable ? byte : next
      if !isPrintable { next += 1 }
      return Unicode.Scalar(value).map { String(Character($0)) } ?? ""
    }
  }()

  /// A byte-level BPE file whose first 256 ids are the bytes; merges make the following ids.
  static func byteLevel(
    merges: [(String, String)] = [],
    preTokenizer: JSONValue = ["type": "ByteLevel", "add_prefix_space": false, "use_regex": true],
    normalizer: JSONValue = nil,
    added: [JSONValue] = [],
    settings: [(String, JSONValue)] = []
  ) -> JSONValue {
    var vocabulary = alphabet.enumerated().map { ($0.element, JSONValue.integer(Int64($0.offset))) }
    for (left, right) in merges {
      vocabulary.append((left + right, .integer(Int64(vocabulary.count))))
    }
    let model: [(String, JSONValue)] = [
      ("type", "BPE"), ("vocab", .object(JSONObject(vocabulary))),
      ("merges", .array(merges.map { .array([.string($0.0), .string($0.1)]) })),
    ]
    return [
      "version": "1.0", "added_tokens": .array(added), "normalizer": normalizer,
      "pre_tokenizer": preTokenizer, "post_processor": nil, "decoder": ["type": "ByteLevel"],
      "model": .object(JSONObject(model + settings)),
    ]
  }

  /// An added token.
  static func added(
    _ id: Int64,
    _ content: String,
    isSpecial: Bool = true,
    _ flags: [(String, JSONValue)] = []
  ) -> JSONValue {
    let base: [(String, JSONValue)] = [
      ("id", .integer(id)), ("content", .string(content)), ("special", .bool(isSpecial)),
      ("normalized", false),
    ]
    return .object(JSONObject(base + flags))
  }

  /// A SentencePiece-style BPE file: tokens in order, merges, ▁ for spaces.
  static func metaspace(_ tokens: [String], merges: [(String, String)] = []) -> JSONValue {
    [
      "version": "1.0", "added_tokens": [],
      "normalizer": ["type": "Replace", "pattern": ["String": " "], "content": "▁"],
      "pre_tokenizer": nil, "post_processor": nil,
      "decoder": [
        "type": "Sequence",
        "decoders": [
          ["type": "Replace", "pattern": ["String": "▁"], "content": " "],
          ["type": "ByteFallback"], ["type": "Fuse"],
        ],
      ],
      "model": [
        "type": "BPE", "unk_token": .string(tokens[0]), "fuse_unk": true, "byte_fallback": true,
        "vocab": .object(
          JSONObject(tokens.enumerated().map { ($0.element, .integer(Int64($0.offset))) })
        ),
        "merges": .array(merges.map { .string("\($0.0) \($0.1)") }),
      ],
    ]
  }

  /// A text of scalars from all planes, ASCII and white space being frequent.
  static func randomText(_ length: Int, using generator: inout Philox) -> String {
    var text = String.UnicodeScalarView()
    while text.count < length {
      let draw = generator.nextWord()
      let value: UInt32
      switch draw % 8 {
      case 0...2: value = (draw >> 8) % 0x80
      case 3: value = [0x20, 0x0A, 0x0D, 0x09, 0xA0, 0x3000, 0x27, 0x73][Int((draw >> 8) % 8)]
      case 4: value = 0x80 + (draw >> 8) % 0x780
      case 5: value = 0x300 + (draw >> 8) % 0x70
      case 6: value = 0x800 + (draw >> 8) % 0xF800
      default: value = 0x10000 + (draw >> 8) % 0x100000
      }
      if let scalar = Unicode.Scalar(value) { text.append(scalar) }
    }
    return String(text)
  }
}
