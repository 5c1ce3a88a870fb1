import Foundation

/// Whose training program an exported row is for.
public enum TrainingRowLayout: String, Codable, CaseIterable, Sendable {
  /// VLM-R1: a conversation with thinking, points in pixels of the row's image.
  case vlmR1 = "vlm-r1"
  /// GTA1: a box in thousandths of the sides, a conversation without thinking.
  case gta1
  /// EasyR1 and GUI-R1: `images`, `problem`, `answer` and a box in shares of the sides.
  case easyR1 = "easyr1"
  /// UGround: a conversation as a string, points in thousandths of the sides.
  case uground

  /// Whether rows hold what is thought before the answer.
  var writesReasoning: Bool { self == .vlmR1 }
}

/// What an exported row says, whatever its layout.
struct TrainingRow {
  let id: Int
  /// The path of the image, from the folder of the rows.
  let image: String
  /// The extents of that image.
  let size: PixelSize
  let instruction: String
  /// The target in pixels of that image.
  let box: GroundingBox
  /// What is thought before the answer; empty for nothing.
  let reasoning: String

  /// The row as one line of JSON.
  func line(_ layout: TrainingRowLayout) throws -> String {
    switch layout {
    case .vlmR1:
      let (x, y) = (rounded(box.center.x), rounded(box.center.y))
      let thought = reasoning.isEmpty ? "" : "<think>\(reasoning)</think>"
      return try json(
        ConversationRow(
          id: id,
          image: image,
          bbox: thousandths,
          conversations: turns("<image>" + instruction, "\(thought)<answer>(\(x), \(y))</answer>")
        )
      )
    case .gta1:
      let (x, y) = (rounded(box.center.x), rounded(box.center.y))
      return try json(
        ConversationRow(
          id: id,
          image: image,
          bbox: thousandths,
          conversations: turns("<image>" + instruction, "(\(x), \(y))")
        )
      )
    case .easyR1: return try json(ProblemRow(self))
    case .uground: return try json(PointRow(self))
    }
  }

  /// Left, top, right and bottom in thousandths of the sides.
  private var thousandths: [Int] { shares.map { Int(($0 * 1000).rounded()) } }

  /// Left, top, right and bottom in shares of the sides.
  fileprivate var shares: [Double] {
    let (width, height) = (Double(size.width), Double(size.height))
    return [box.x0 / width, box.y0 / height, box.x1 / width, box.y1 / height]
  }

  private func rounded(_ value: Double) -> Int { Int(value.rounded()) }
}

private struct Turn: Encodable {
  var from: String
  var value: String
}

private func turns(_ question: String, _ answer: String) -> [Turn] {
  [Turn(from: "human", value: question), Turn(from: "gpt", value: answer)]
}

private struct ConversationRow: Encodable {
  var id: Int
  var image: String
  var bbox: [Int]
  var conversations: [Turn]
}

private struct ProblemRow: Encodable {
  var image: String
  var images: [String]
  var problem: String
  var answer: String
  var instruction: String
  var history = "None"
  var taskType = "low"
  var action = "click"
  var box: [Double]
  var inputText = "no input text"

  enum CodingKeys: String, CodingKey {
    case image, images, problem, answer, instruction, history
    case taskType = "task_type"
    case action = "gt_action"
    case box = "gt_bbox"
    case inputText = "gt_input_text"
  }

  init(_ row: TrainingRow) throws {
    image = row.image
    images = [row.image]
    problem = "<image>" + row.instruction
    instruction = row.instruction
    box = row.shares
    answer = try json(["gt_bbox": row.shares])
  }
}

private struct PointRow: Encodable {
  var image: String
  var width: Int
  var height: Int
  var conversations: String

  init(_ row: TrainingRow) throws {
    (image, width, height) = (row.image, row.size.width, row.size.height)
    let x = min(999, Int(row.box.center.x / Double(row.size.width) * 1000))
    let y = min(999, Int(row.box.center.y / Double(row.size.height) * 1000))
    conversations = try json(turns(row.instruction, "(\(x), \(y))"))
  }
}

private func json(_ value: some Encodable) throws -> String {
  let encoder = JSONEncoder()
  encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
  return String(decoding: try encoder.encode(value), as: UTF8.self)
}
