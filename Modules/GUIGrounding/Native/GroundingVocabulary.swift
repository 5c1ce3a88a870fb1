import Tensor

/// The tokens of a native policy, and the one form of response that counts.
///
///     <think> red ring P1 P2 </think> <answer> X Y </answer> <eos>
///
/// P1 is a cell of a 4 × 4 grid over the view, P2 a cell of the 4 × 4 grid inside P1, X and Y are
/// bins along each side; a point is the centre of its bins. So the thinking is a search from coarse
/// to fine in words. Tokens in order: padding, `<think>`, `</think>`, `<answer>`, `</answer>`,
/// `<eos>`, six colours, five shapes, 16 place words `row r column c`, and the bins.
public struct GroundingVocabulary: Hashable, Codable, Sendable {
  /// What a response holds before its answer.
  public var thinking: NativeThinking
  /// The bins of each side of the view.
  public var binCount: Int

  /// Fills up responses behind their end.
  public static let padding: Int32 = 0
  /// Begins the thinking.
  public static let think: Int32 = 1
  /// Ends the thinking.
  public static let thinkEnd: Int32 = 2
  /// Begins the answer.
  public static let answer: Int32 = 3
  /// Ends the answer.
  public static let answerEnd: Int32 = 4
  /// Ends the response.
  public static let end: Int32 = 5
  /// The first of the colours, in the order of `SyntheticColor`.
  public static let firstColor: Int32 = 6
  /// The first of the shapes, in the order of `SyntheticShape`.
  public static let firstShape = firstColor + Int32(SyntheticColor.allCases.count)
  /// The first of the place words, row by row.
  public static let firstPlace = firstShape + Int32(SyntheticShape.allCases.count)
  /// The first of the bins.
  public static let firstBin = firstPlace + 16

  /// A vocabulary; 32 bins a side and all words by default.
  public init(thinking: NativeThinking = .wordsAndPlaces, binCount: Int = 32) {
    self.thinking = thinking
    self.binCount = binCount
  }

  /// V, the number of tokens.
  public var count: Int { Int(Self.firstBin) + binCount }

  /// T, the tokens of a complete response.
  public var responseLength: Int {
    thinking == .none ? 5 : thinking.wordCount + 7
  }

  /// Where `<answer>` stands in a complete response.
  var answerPosition: Int { responseLength - 5 }

  /// The tokens of an instruction.
  public static func tokens(of instruction: SyntheticInstruction) -> [Int32] {
    let color = SyntheticColor.allCases.firstIndex(of: instruction.color) ?? 0
    let shape = SyntheticShape.allCases.firstIndex(of: instruction.shape) ?? 0
    return [firstColor + Int32(color), firstShape + Int32(shape)]
  }
}

extension GroundingVocabulary {
  /// The response that thinks of a place and answers it.
  ///
  /// - Parameters:
  ///   - x: from the left edge of the view, in units of its width; clamped into the view.
  ///   - y: from its upper edge, in units of its height.
  ///   - instruction: whose words the thinking repeats; needed for `wordsAndPlaces` alone.
  /// - Returns: `responseLength` tokens.
  public func response(
    x: Double,
    y: Double,
    instruction: SyntheticInstruction?
  ) -> [Int32] {
    let (x, y) = (min(max(x, 0), 0.99999), min(max(y, 0), 0.99999))
    func cell(_ scale: Double) -> (row: Int32, column: Int32) {
      (Int32(y * scale), Int32(x * scale))
    }
    let (coarse, fine) = (cell(4), cell(16))
    var tokens: [Int32] = []
    if thinking == .wordsAndPlaces {
      expect(instruction != nil, "response: the thinking repeats an instruction, but there is none")
      tokens += instruction.map(Self.tokens) ?? []
    }
    if thinking != .none {
      tokens += [
        Self.firstPlace + coarse.row * 4 + coarse.column,
        Self.firstPlace + fine.row % 4 * 4 + fine.column % 4,
      ]
      tokens = [Self.think] + tokens + [Self.thinkEnd]
    }
    let bins = cell(Double(binCount))
    return tokens + [
      Self.answer, Self.firstBin + bins.column, Self.firstBin + bins.row, Self.answerEnd, Self.end,
    ]
  }

  /// The bins of a response whose answer stands where it must; nil for any other.
  func bins(_ tokens: some RandomAccessCollection<Int32>) -> (x: Int, y: Int)? {
    let tokens = Array(tokens)
    let start = answerPosition
    guard tokens.count >= responseLength, tokens[start] == Self.answer,
      tokens[start + 3] == Self.answerEnd, tokens[start + 4] == Self.end
    else { return nil }
    let (x, y) = (tokens[start + 1] - Self.firstBin, tokens[start + 2] - Self.firstBin)
    guard x >= 0, y >= 0, x < binCount, y < binCount else { return nil }
    return (Int(x), Int(y))
  }

  /// The point of a response in units of the view's sides; nil if the answer is not well-formed.
  public func point(_ tokens: some RandomAccessCollection<Int32>) -> (x: Double, y: Double)? {
    bins(tokens).map { bins in
      ((Double(bins.x) + 0.5) / Double(binCount), (Double(bins.y) + 0.5) / Double(binCount))
    }
  }

  /// Whether every token stands where it must: `<think>`, words, `</think>`, and the answer.
  public func isWellFormed(_ tokens: some RandomAccessCollection<Int32>) -> Bool {
    let tokens = Array(tokens)
    guard bins(tokens) != nil else { return false }
    guard thinking != .none else { return true }
    let words = tokens[1...thinking.wordCount]
    let first = thinking == .places ? Self.firstPlace : Self.firstColor
    return tokens[0] == Self.think && tokens[thinking.wordCount + 1] == Self.thinkEnd
      && words.allSatisfy { $0 >= first && $0 < Self.firstBin }
  }

  /// A response as text; a point is written in pixels of an image of `width` × `height`.
  ///
  ///     <think>red ring, row 2 column 3, then row 1 column 4</think><answer>(35, 18)</answer>
  public func text(
    _ tokens: some RandomAccessCollection<Int32>,
    width: Double,
    height: Double
  ) -> String {
    let tokens = Array(tokens.prefix { $0 != Self.padding })
    guard isWellFormed(tokens), let point = point(tokens) else {
      return tokens.map(word).joined(separator: " ")
    }
    let answer = "<answer>(\(number(point.x * width)), \(number(point.y * height)))</answer>"
    guard thinking != .none else { return answer }
    let words = tokens[1...thinking.wordCount].map(word)
    let place = "\(words[words.count - 2]), then \(words[words.count - 1])"
    let names = words.dropLast(2).joined(separator: " ")
    let thought = names.isEmpty ? place : "\(names), \(place)"
    return "<think>\(thought)</think>\(answer)"
  }

  private func word(_ token: Int32) -> String {
    switch token {
    case Self.padding: return "<pad>"
    case Self.think: return "<think>"
    case Self.thinkEnd: return "</think>"
    case Self.answer: return "<answer>"
    case Self.answerEnd: return "</answer>"
    case Self.end: return "<eos>"
    case Self.firstColor..<Self.firstShape:
      return SyntheticColor.allCases[Int(token - Self.firstColor)].rawValue
    case Self.firstShape..<Self.firstPlace:
      return SyntheticShape.allCases[Int(token - Self.firstShape)].rawValue
    case Self.firstPlace..<Self.firstBin:
      let place = token - Self.firstPlace
      return "row \(place / 4 + 1) column \(place % 4 + 1)"
    default: return "\(token - Self.firstBin)"
    }
  }

  /// A coordinate with no more digits than it needs.
  private func number(_ value: Double) -> String {
    value == value.rounded() ? "\(Int(value))" : "\(value)"
  }
}
