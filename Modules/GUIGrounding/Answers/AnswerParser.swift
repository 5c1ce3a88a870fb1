/// Which rule found the place in an answer.
public enum AnswerKind: String, Codable, CaseIterable, Sendable {
  /// Numbers between `<|box_start|>` and `<|box_end|>`.
  case boxToken = "box_token"
  /// A `<point>` tag, its attributes or its content.
  case pointTag = "point_tag"
  /// A key such as `coordinate` or `bbox_2d` and a list.
  case keyed
  /// Two scalars, `x=…, y=…`.
  case named
  /// Two pairs side by side.
  case pairs
  /// A list of four numbers.
  case quad
  /// A list of two numbers.
  case pair
  /// Two numbers and nothing else.
  case bare
}

/// What a response says: the numbers as they were written, and whether it has the demanded form.
public struct ParsedAnswer: Hashable, Codable, Sendable {
  /// Whether the response is one thought and one answer, each in its tags, and nothing else.
  public var formatOK: Bool
  /// The rule that found the place; nil without any.
  public var kind: AnswerKind?
  /// The point in the order of the text; the centre of a box.
  public var point: GroundingPoint?
  /// The box in the order of the text, where four numbers were given.
  public var box: GroundingBox?

  /// An answer.
  public init(
    formatOK: Bool,
    kind: AnswerKind? = nil,
    point: GroundingPoint? = nil,
    box: GroundingBox? = nil
  ) {
    self.formatOK = formatOK
    self.kind = kind
    self.point = point
    self.box = box
  }

  /// The answer as a sample, its numbers brought to pixels of the view; never clamped.
  ///
  /// - Parameters:
  ///   - text: the response.
  ///   - convention: what the numbers mean.
  ///   - view: the extents of what the model saw.
  ///   - source: the extents of the picture before it was brought to them; nil for the same.
  /// - Returns: a sample without tokens.
  public func sample(
    text: String,
    convention: CoordinateConvention,
    view: PixelSize,
    source: PixelSize? = nil
  ) -> GroundingSample {
    let source = source ?? view
    return GroundingSample(
      text: text,
      point: point.map { convention.toView($0, view: view, source: source) },
      box: box.map { convention.toView($0, view: view, source: source) },
      formatOK: formatOK
    )
  }
}

/// Finds the place that a response names, whatever the model's way to write it.
///
/// The answer is the content of the last `<answer>`; else what follows the last `</think>`; else
/// nothing where a thought was never closed; else the whole text. In it the first rule that matches
/// counts, in the order of `AnswerKind`; a box answers with its centre. Numbers are decimal, without
/// exponents. Time is linear in the length of the text.
public struct AnswerParser: Hashable, Codable, Sendable {
  /// Whether an answer with more than one place is none.
  public var isStrict: Bool

  /// A parser.
  public init(isStrict: Bool = false) { self.isStrict = isStrict }

  /// What a response says.
  public func parse(_ text: String) -> ParsedAnswer {
    let text = AnswerText(text)
    let form = text.hasDemandedForm
    let scanner = AnswerScanner(text)
    guard let match = isStrict ? scanner.onlyMatch : scanner.firstMatch else {
      return ParsedAnswer(formatOK: form)
    }
    let n = match.numbers
    if n.count == 2 {
      let point = GroundingPoint(x: n[0], y: n[1])
      return ParsedAnswer(formatOK: form, kind: match.kind, point: point)
    }
    // Halves first: the sum of two large numbers may not be finite.
    let center = GroundingPoint(x: n[0] / 2 + n[2] / 2, y: n[1] / 2 + n[3] / 2)
    let box = GroundingBox(x0: n[0], y0: n[1], x1: n[2], y1: n[3])
    return ParsedAnswer(formatOK: form, kind: match.kind, point: center, box: box)
  }
}
