public import Autograd
public import Checkpoints
import Foundation
public import Tensor

/// A file of packed tokens: the ids of a text, one after the other, mapped into memory.
///
/// The file is a safetensors file with one tensor `tokens` [N], of type U8 for vocabularies of up to
/// 256 and I32 for others, and these metadata: `vocabulary`, the ids there are, and `tokenizer`, a
/// fingerprint of what made the ids.
public struct TokenFile: Sendable {
  private enum Storage: Sendable {
    case bytes(Tensor<UInt8>)
    case words(Tensor<Int32>)
  }

  /// The file; empty for tokens in memory.
  public let path: String
  /// V: ids are below it.
  public let vocabularyCount: Int
  /// The fingerprint of the tokenizer.
  public let tokenizer: String
  private let storage: Storage

  /// Tokens in memory, each in [0, V).
  public init(_ tokens: [Int32], vocabularyCount: Int, tokenizer: String = "") {
    path = ""
    self.vocabularyCount = vocabularyCount
    self.tokenizer = tokenizer
    storage = .words(Tensor(tokens, shape: [tokens.count]))
  }

  /// Bytes as tokens: a vocabulary of 256 without any tokenizer.
  public init(bytes: [UInt8]) {
    path = ""
    vocabularyCount = 256
    tokenizer = "bytes"
    storage = .bytes(Tensor(bytes, shape: [bytes.count]))
  }

  /// Opens a file.
  ///
  /// - Throws: `CheckpointError`, also for ids outside the vocabulary.
  public init(path: String) throws(CheckpointError) {
    let file = try SafetensorsFile(path: path)
    self.path = path
    func damaged(_ reason: String) -> CheckpointError {
      .malformed(path: path, tensor: "tokens", offset: nil, reason: reason)
    }
    guard let count = file.metadata["vocabulary"].flatMap({ Int($0) }), count > 0,
      count <= 16_777_216
    else { throw damaged("the metadata name no vocabulary; is this a file of packed tokens?") }
    vocabularyCount = count
    tokenizer = file.metadata["tokenizer"] ?? ""
    guard let entry = file["tokens"], entry.extents.count == 1 else {
      throw damaged("a list of tokens is needed")
    }
    if entry.type.elementType == .uint8 {
      let tokens = try file.tensor(named: "tokens", as: UInt8.self)
      storage = .bytes(tokens)
      guard count >= 256 || tokens.withUnsafeElements({ $0.allSatisfy { $0 < count } }) else {
        throw damaged("a token is outside the vocabulary of \(count)")
      }
    } else {
      let tokens = try file.tensor(named: "tokens", as: Int32.self)
      storage = .words(tokens)
      guard tokens.withUnsafeElements({ $0.allSatisfy { $0 >= 0 && $0 < count } }) else {
        throw damaged("a token is outside the vocabulary of \(count)")
      }
    }
  }

  /// N.
  public var count: Int {
    switch storage {
    case .bytes(let tokens): tokens.count
    case .words(let tokens): tokens.count
    }
  }

  /// A checksum of the tokens; tokens in another width have another one.
  var digest: String {
    func hash(_ bytes: UnsafeRawBufferPointer) -> String {
      "\(count)-" + String(XXHash64.hash(bytes), radix: 16)
    }
    return switch storage {
    case .bytes(let tokens): tokens.withUnsafeElements { hash(UnsafeRawBufferPointer($0)) }
    case .words(let tokens): tokens.withUnsafeElements { hash(UnsafeRawBufferPointer($0)) }
    }
  }

  /// The entropy of single tokens in nats: the loss of a model that knows how often each token comes,
  /// and nothing else.
  var unigramEntropy: Double {
    var counts = [Int32: Int]()
    for token in self[0..<count] { counts[token, default: 0] += 1 }
    // In an order of their own: the sum must be the same each time.
    return counts.values.sorted().reduce(0) { sum, occurrences in
      let share = Double(occurrences) / Double(count)
      return sum - share * log(share)
    }
  }

  /// The tokens of a range.
  public subscript(range: Range<Int>) -> [Int32] {
    switch storage {
    case .bytes(let tokens): tokens.withUnsafeElements { $0[range].map { Int32($0) } }
    case .words(let tokens): tokens.withUnsafeElements { Array($0[range]) }
    }
  }

  /// Writes the tokens to a file, which appears complete or not at all.
  ///
  /// - Throws: `CheckpointError`.
  public func write(to path: String) throws(CheckpointError) {
    let item =
      switch storage {
      case .bytes(let tokens): SafetensorsItem("tokens", tokens)
      case .words(let tokens): SafetensorsItem("tokens", tokens)
      }
    try SafetensorsFile.write(
      [item],
      metadata: ["vocabulary": "\(vocabularyCount)", "tokenizer": tokenizer],
      to: path
    )
  }

  /// The tokens without the last part, and that part: what trains, and what measures.
  public func split(holdingBack part: Double) -> (training: TokenFile, validation: TokenFile) {
    let first = Int(Double(count) * (1 - part))
    return (slice(0..<first), slice(first..<count))
  }

  private func slice(_ range: Range<Int>) -> TokenFile {
    switch storage {
    case .bytes(let tokens): TokenFile(self, .bytes(tokens[range]))
    case .words(let tokens): TokenFile(self, .words(tokens[range]))
    }
  }

  private init(_ other: TokenFile, _ storage: Storage) {
    path = other.path
    vocabularyCount = other.vocabularyCount
    tokenizer = other.tokenizer
    self.storage = storage
  }
}

/// Windows of packed tokens: what a language model trains on.
///
/// A window is `length` + 1 tokens: those that are read, and those that follow them. Windows do not
/// cross files.
public struct TokenWindows: Dataset, Sendable {
  /// T tokens that are read, and T that follow; both [B × T].
  public typealias Batch = (tokens: Tensor<Int32>, targets: Tensor<Int32>)

  /// T.
  public let length: Int
  /// The files and the first tokens of their windows.
  private let starts: [(file: TokenFile, count: Int, step: Double)]

  /// All windows whose first tokens lie `stride` apart.
  ///
  /// - Parameters:
  ///   - files: the tokens.
  ///   - length: T.
  ///   - stride: the distance of windows; 1 begins one at every token, T reads each token once.
  public init(_ files: [TokenFile], length: Int, stride: Int) {
    expect(length > 0 && stride > 0, "token windows: length \(length), stride \(stride)")
    self.length = length
    starts = files.map { file in
      (file, Swift.max(file.count - length - 1 + stride, 0) / stride, Double(stride))
    }
  }

  /// `count` windows that lie evenly in a file: window i begins at i·⌊(N − T − 1)/count⌋.
  public init(_ file: TokenFile, length: Int, count: Int) {
    self.length = length
    let room = file.count - length - 1
    starts = [(file, room < 0 ? 0 : count, Double(Swift.max(room, 0) / Swift.max(count, 1)))]
  }

  /// The number of windows.
  public var count: Int { starts.reduce(0) { $0 + $1.count } }

  /// The windows `indices`.
  public subscript(indices: [Int]) -> Batch {
    var (tokens, targets): ([Int32], [Int32]) = ([], [])
    for index in indices {
      var index = index
      for (file, count, step) in starts {
        guard index >= count else {
          let first = Int(Double(index) * step)
          let window = file[first..<first + length + 1]
          tokens += window.dropLast()
          targets += window.dropFirst()
          break
        }
        index -= count
      }
    }
    let shape: Shape = [indices.count, length]
    return (Tensor(tokens, shape: shape), Tensor(targets, shape: shape))
  }
}

extension TokenFile {
  /// The fingerprint of a tokenizer's file: FNV-1a of its bytes, 64 bits in hexadecimal digits.
  public static func fingerprint(_ bytes: [UInt8]) -> String {
    let hash = bytes.reduce(UInt64(0xcbf2_9ce4_8422_2325)) { ($0 ^ UInt64($1)) &* 0x100_0000_01b3 }
    return String(hash, radix: 16)
  }
}
