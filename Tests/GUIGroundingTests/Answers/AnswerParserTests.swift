import Foundation
import GUIGrounding
import Tensor
import TestSupport
import Testing

@Suite struct AnswerParserTests {
  @Test func randomBytesNeverTrap() {
    var generator = Philox(seed: 1)
    let pieces = [
      "<think>", "</think>", "<answer>", "</answer>", "<|box_start|>", "<|box_end|>", "<point",
      "<point>", "</point>", " x=\"", "x: ", "y=", "point_2d\": ", "(", "[", ")", "]", "1", "-",
      "3.5", ", ", " ", "\"", "'", "\\", "<|", "|>", "é", "\u{0}", "(1, 2)",
      "[3,4]", "x=5, y=", " x=\"1\" y=\"2\">",
    ].map { Array($0.utf8) }
    var kinds: Set<AnswerKind> = []
    for trial in 0..<6000 {
      var bytes: [UInt8] = []
      for _ in 0..<generator.integer(below: 14) {
        if trial % 2 == 0 {
          bytes += pieces[generator.integer(below: pieces.count)]
        } else {
          bytes.append(UInt8(truncatingIfNeeded: generator.nextWord()))
        }
      }
      let text = String(decoding: bytes, as: UTF8.self)
      let parsed = AnswerParser().parse(text)
      #expect((parsed.point == nil) == (parsed.kind == nil))
      #expect(parsed.point?.isFinite ?? true, "\(text)")
      let strict = AnswerParser(isStrict: true).parse(text)
      #expect(strict.kind == nil || strict == parsed, "\(text)")
      if let kind = parsed.kind { kinds.insert(kind) }
    }
    // The trial reaches most rules.
    #expect(kinds.count >= 4, "\(kinds)")
  }

  @Test func everyTemplateReadsBack() {
    var generator = Philox(seed: 2)
    for template in AnswerTemplate.allCases {
      for trial in 0..<200 {
        let scale = [1e-7, 1, 1e3, 1e9, 1e18][trial % 5]
        let point = GroundingPoint(
          x: (Double(generator.uniform()) - 0.3) * scale,
          y: trial % 7 == 0 ? Double(generator.integer(below: 900)) : normal(&generator) * scale
        )
        let text = template.render(point, reasoning: "left of (3, 4), row 2")
        #expect(AnswerParser().parse(text).point == point, "\(text)")
        #expect(AnswerParser(isStrict: true).parse(text).point == point, "\(text)")
        #expect(AnswerParser().parse(text).formatOK == (template == .reguide))
      }
    }
    for value in [Double.leastNonzeroMagnitude, 1e300, -0.0, 0.1] {
      let point = GroundingPoint(x: value, y: 1)
      #expect(AnswerParser().parse(AnswerTemplate.plain.render(point)).point == point)
    }
  }

  private static let cases: [(String, AnswerKind?, [Double])] = [
    ("{\"x\": 12, \"y\": 40}", .named, [12, 40]),
    ("X=3; Y=4", .named, [3, 4]),
    ("max: 3, y: 4", nil, []),
    ("checkpoint: [1, 2] box: [3, 4]", .keyed, [3, 4]),
    ("{\\\"coordinate\\\": [5, 6]}", .keyed, [5, 6]),
    ("box=(1,2),(3,6)", .keyed, [2, 4]),
    ("bbox: [1, 2, 3]", nil, []),
    ("position = (7 8)", .keyed, [7, 8]),
    ("click(point='<point>9 8</point>')", .pointTag, [9, 8]),
    ("<points x1=\"1.5\" y1=\"2\" x2=\"9\" y2=\"9\">a</points>", .pointTag, [1.5, 2]),
    ("<point>(9, 8)</point>", .pointTag, [9, 8]),
    ("<point>9 8 7</point>", nil, []),
    ("<point x=\"1\">", nil, []),
    ("<|box_start|>1 2 3<|box_end|>", nil, []),
    ("<|box_start|>(1,2)", .pair, [1, 2]),
    ("[[10, 20], [30, 40]]", .pairs, [20, 30]),
    ("(1, 2, 3)", nil, []),
    ("(.5, .7)", nil, []),
    ("(1e3, 4)", nil, []),
    ("(5, 6) or [1, 2, 3, 4]", .quad, [2, 3]),
    ("12 34", .bare, [12, 34]),
    ("<|im_start|>12, 34<|im_end|>", .bare, [12, 34]),
    ("12, 34 px", nil, []),
    ("<think>a</think><think>b", nil, []),
    ("</think>(1, 2)", .pair, [1, 2]),
    ("<answer>(1, 2)</answer><answer>(3, 4)", .pair, [1, 2]),
    ("<answer></answer> (3, 4)", nil, []),
    ("(" + String(repeating: "9", count: 400) + ", 1)", nil, []),
  ]

  @Test func waysToWriteAPlace() {
    for (text, kind, numbers) in Self.cases {
      let parsed = AnswerParser().parse(text)
      #expect(parsed.kind == kind, "\(text)")
      #expect(parsed.point.map { [$0.x, $0.y] } ?? [] == numbers, "\(text)")
    }
  }

  @Test func theDemandedForm() {
    let right = [
      "<think>a</think><answer>1</answer>", " \n<think> a\nb </think>\n\n<answer></answer>\t",
      "<think>é</think> <answer>(1, 2) <b></answer>",
    ]
    for text in right { #expect(AnswerParser().parse(text).formatOK, "\(text)") }
    let wrong = [
      "<think> \n</think><answer>1</answer>", "<answer>1</answer><think>a</think>",
      "<think>a</think>b<answer>1</answer>", "<think>a</think><answer>1</answer>.",
      "x<think>a</think><answer>1</answer>", "<think>a<answer>1</answer></think>",
      "<think>a</think><answer>1</answer><answer>2</answer>", "<think>a</think><answer>1",
      "<think>a<think>b</think><answer>1</answer>", "<Think>a</Think><answer>1</answer>",
    ]
    for text in wrong { #expect(!AnswerParser().parse(text).formatOK, "\(text)") }
  }

  @Test func strictAnswersNameOnePlace() {
    let strict = AnswerParser(isStrict: true)
    #expect(strict.parse("(1, 2) or (3, 4)").point == nil)
    #expect(strict.parse("(1, 2), (3, 4)").kind == .pairs)
    #expect(strict.parse("point: [1, 2]").kind == .keyed)
    #expect(strict.parse("x=1, y=2 and (1, 2)").point == nil)
    let thought = "<think>(9, 9)</think><answer>(1, 2)</answer>"
    #expect(strict.parse(thought).point == GroundingPoint(x: 1, y: 2))
  }

  /// Texts that make careless search quadratic.
  @Test(.timeLimit(.minutes(10)))
  func longTextsTakeLinearTime() {
    let count = 30_000
    let pieces = ["<|box_start|>", "<point ", "(1, ", "point: ", "x = ", "<think>", "<answer>"]
    for piece in pieces + ["[", "[ ", "1", "<point x=1", "</answer>"] {
      let text = String(repeating: piece, count: count)
      #expect(AnswerParser().parse(text).point == nil)
      #expect(AnswerParser(isStrict: true).parse(text).point == nil)
    }
  }
}
