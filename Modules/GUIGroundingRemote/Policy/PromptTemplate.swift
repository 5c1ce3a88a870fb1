import GUIGrounding

/// How a model is asked for a place.
///
/// The wording of `uground`, `osatlas`, `seeclick` and `showui`, and the frame of `qwen-tool`, are
/// what those models were trained with: they answer worse to anything else.
public enum PromptTemplate: String, Codable, CaseIterable, Sendable {
  /// Thinking in `<think>`, then the point in `<answer>`; names the size of the picture.
  case reguide
  /// The `computer_use` tool of Qwen2.5-VL and Qwen3-VL; the answer is a call of it.
  case qwenTool = "qwen-tool"
  /// UGround-V1.
  case uground
  /// OS-Atlas; the answer is a box.
  case osatlas
  /// SeeClick.
  case seeclick
  /// ShowUI.
  case showui
  /// One sentence for models without a form of their own.
  case plainPoint = "plain-point"
}

extension PromptTemplate {
  /// The system message; nil where there is none.
  func systemText(_ size: PixelSize, _ coordinates: CoordinateConvention) -> String? {
    switch self {
    case .reguide:
      """
      You locate one element of a screenshot. Think first inside <think></think>, then give the \
      click point inside <answer></answer> as \(Self.pair(size, coordinates)).
      """
    case .qwenTool: Self.toolText(coordinates.space == .inputPixels ? size : Self.thousand)
    case .uground, .osatlas, .seeclick, .showui, .plainPoint: nil
    }
  }

  /// The text after the picture.
  func userText(
    _ instruction: String,
    _ size: PixelSize,
    _ coordinates: CoordinateConvention
  ) -> String {
    switch self {
    case .reguide, .qwenTool, .showui: instruction
    case .uground: Self.ugroundText(instruction)
    case .osatlas: Self.commandText(instruction, "bbox")
    case .seeclick: Self.commandText(instruction, "point")
    case .plainPoint:
      """
      Where on this screenshot must one click to do this: \(instruction)
      Answer only with the point as \(Self.pair(size, coordinates)).
      """
    }
  }

  /// The text before the picture; nil where there is none.
  var leadText: String? {
    guard self == .showui else { return nil }
    return """
      Based on the screenshot of the page, I give a text description and you give its \
      corresponding location. The coordinate represents a clickable location [x, y] for an \
      element, which is a relative coordinate on the screenshot, scaled from 0 to 1.
      """
  }

  /// What an answer begins with, where the server lets us say it.
  var answerBeginning: String {
    guard self == .qwenTool else { return "" }
    return """
      <tool_call>
      {"name": "computer_use", "arguments": {"action": "left_click", "coordinate": [
      """
  }

  private static let thousand = PixelSize(width: 1000, height: 1000)

  /// Which two numbers, in words.
  private static func pair(_ size: PixelSize, _ coordinates: CoordinateConvention) -> String {
    let pair = coordinates.order == .xy ? "(x, y)" : "(y, x)"
    let image = "the \(size.width)x\(size.height) image"
    return switch coordinates.space {
    case .inputPixels, .imagePixels: "\(pair) in pixels of \(image)"
    case .thousand: "\(pair) on a scale from 0 to 1000 along each side of \(image)"
    case .nine99: "\(pair) on a scale from 0 to 999 along each side of \(image)"
    case .hundred: "\(pair) in percent of each side of \(image)"
    case .unit: "\(pair) as fractions from 0 to 1 of each side of \(image)"
    }
  }

  private static func commandText(_ instruction: String, _ form: String) -> String {
    "In this UI screenshot, what is the position of the element corresponding to the command "
      + "\"\(instruction)\" (with \(form))?"
  }

  private static func ugroundText(_ instruction: String) -> String {
    """
    Your task is to help the user identify the precise coordinates (x, y) of a specific \
    area/element/object on the screen based on a description.

    - Your response should aim to point to the center or a representative point within the \
    described area/element/object as accurately as possible.
    - If the description is unclear or ambiguous, infer the most relevant area or element based \
    on its likely context or purpose.
    - Your answer should be a single string (x, y) corresponding to the point of the interest.

    Description: \(instruction)

    Answer:
    """
  }

  /// The declaration of the tool in the frame that Qwen's chat template uses.
  private static func toolText(_ size: PixelSize) -> String {
    """
    You are a helpful assistant.

    # Tools

    You may call one or more functions to assist with the user query.

    You are provided with function signatures within <tools></tools> XML tags:
    <tools>
    {"type": "function", "function": {"name": "computer_use", "description": "Use a mouse to \
    operate a graphical user interface that is shown in a screenshot.\\n* The screen's \
    resolution is \(size.width)x\(size.height).\\n* Click with the tip of the cursor in the \
    center of the element.", "parameters": {"properties": {"action": {"description": "The \
    action to perform: left_click clicks the left mouse button at a coordinate.", "enum": \
    ["left_click"], "type": "string"}, "coordinate": {"description": "(x, y): the pixels from \
    the left edge and from the top edge.", "type": "array"}}, "required": ["action", \
    "coordinate"], "type": "object"}}}
    </tools>

    For each function call, return a json object with function name and arguments within \
    <tool_call></tool_call> XML tags:
    <tool_call>
    {"name": <function-name>, "arguments": <args-json-object>}
    </tool_call>
    """
  }
}
