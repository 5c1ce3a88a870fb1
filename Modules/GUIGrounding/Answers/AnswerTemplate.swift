import Foundation

/// The ways in which models write a point: for training rows, and to test that all are understood.
public enum AnswerTemplate: String, Codable, CaseIterable, Sendable {
  /// `<think>…</think> <answer>(1, 2)</answer>`.
  case reguide
  /// A call of the tool that Qwen2.5-VL was trained with.
  case qwenTool = "qwen-tool"
  /// `(1, 2)`: UGround, GTA1.
  case plain
  /// `<|box_start|>(1,2)<|box_end|>`: OS-Atlas, Qwen2-VL.
  case boxToken = "box-token"
  /// `[0.1, 0.2]`: ShowUI, SeeClick with other brackets.
  case list
  /// `{"point_2d": [1, 2]}`: Qwen3-VL.
  case json
  /// `<point x="1" y="2">…</point>`: Molmo.
  case pointAttributes = "point-attributes"
  /// `<point>1 2</point>`: UI-TARS-1.5 with other prompts.
  case pointContent = "point-content"
  /// `click(start_box='(1,2)')`: UI-TARS.
  case startBox = "start-box"
  /// `x=1, y=2`.
  case named
  /// `1, 2`.
  case bare

  /// A response that names a point.
  ///
  /// - Parameters:
  ///   - point: the two numbers, in the order in which they are to be written.
  ///   - reasoning: the thought; only `reguide` writes it.
  /// - Returns: what `AnswerParser` reads back to exactly the same numbers.
  public func render(_ point: GroundingPoint, reasoning: String = "") -> String {
    let (x, y) = (decimal(point.x), decimal(point.y))
    return switch self {
    case .reguide: "<think>\(reasoning)</think>\n<answer>(\(x), \(y))</answer>"
    case .qwenTool:
      "<tool_call>\n{\"name\": \"computer_use\", \"arguments\": {\"action\": \"left_click\", "
        + "\"coordinate\": [\(x), \(y)]}}\n</tool_call>"
    case .plain: "(\(x), \(y))"
    case .boxToken: "<|box_start|>(\(x),\(y))<|box_end|>"
    case .list: "[\(x), \(y)]"
    case .json: "{\"point_2d\": [\(x), \(y)]}"
    case .pointAttributes: "<point x=\"\(x)\" y=\"\(y)\" alt=\"target\">target</point>"
    case .pointContent: "<point>\(x) \(y)</point>"
    case .startBox: "click(start_box='(\(x),\(y))')"
    case .named: "x=\(x), y=\(y)"
    case .bare: "\(x), \(y)"
    }
  }

  /// The shortest decimal number without exponent that reads back as the same value.
  private func decimal(_ value: Double) -> String {
    if value == value.rounded(), abs(value) < 1e15 { return String(Int(value)) }
    let short = value.description
    guard short.contains("e") else { return short }
    // Only the exponent is wrong: write the digits out, down to the smallest number there is.
    for digits in stride(from: 20, through: 340, by: 20) {
      let text = String(format: "%.\(digits)f", value)
      if Double(text) == value { return text }
    }
    return String(format: "%.1074f", value)
  }
}
