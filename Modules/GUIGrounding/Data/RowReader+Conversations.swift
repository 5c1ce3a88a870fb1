import Checkpoints
import Foundation

/// One question and its answer.
private struct Exchange {
  let question: String
  let answer: String
}

extension RowReader {
  /// Questions and answers in turn: points in thousandths, or corners in pixels.
  func uGround(_ options: GroundingDataOptions) throws(RowFault) -> RowTargets {
    let isBox = layout == .uGroundBox
    var targets = RowTargets()
    for (index, exchange) in try exchanges().enumerated() {
      let item = try conversationItem(exchange, index)
      let answer = AnswerParser().parse(exchange.answer)
      let place = "answer \(index + 1), \"\(exchange.answer.prefix(60))\","
      if isBox {
        guard let box = answer.box else { throw RowFault("\(place) names no box") }
        targets.found.append(RowTarget(item: item, frame: .pixels, boxes: [box]))
      } else {
        guard let point = answer.point else { throw RowFault("\(place) names no point") }
        targets.found.append(
          RowTarget(
            item: item,
            frame: .shares(1000),
            point: point,
            radius: options.pointRadius
          )
        )
      }
    }
    return targets
  }

  /// Any conversation about an image; answers that name no place are other tasks.
  func conversations(_ options: GroundingDataOptions) throws(RowFault) -> RowTargets {
    var targets = RowTargets()
    for (index, exchange) in try exchanges().enumerated() {
      let answer = AnswerParser().parse(exchange.answer)
      guard let point = answer.point else {
        targets.otherTaskCount += 1
        continue
      }
      let item = try conversationItem(exchange, index)
      var target = RowTarget(item: item, frame: frame(options.convention.space))
      let isSwapped = options.convention.order == .yx
      if let box = answer.box {
        target.boxes = [
          isSwapped ? GroundingBox(x0: box.y0, y0: box.x0, x1: box.y1, y1: box.x1) : box
        ]
      } else {
        target.point = isSwapped ? GroundingPoint(x: point.y, y: point.x) : point
        target.radius = options.pointRadius
      }
      targets.found.append(target)
    }
    return targets
  }

  private func frame(_ space: CoordinateSpace) -> RowFrame {
    switch space {
    case .inputPixels, .imagePixels: .pixels
    case .thousand: .shares(1000)
    case .nine99: .shares(999)
    case .hundred: .shares(100)
    case .unit: .shares(1)
    }
  }

  private func conversationItem(
    _ exchange: Exchange,
    _ index: Int
  ) throws(RowFault) -> GroundingItem {
    var size: PixelSize?
    if let width = row["width"]?.doubleValue, let height = row["height"]?.doubleValue {
      size = try Self.size(width, height, "width, height")
    }
    return try item(
      image: text("image") ?? text("image_path") ?? "",
      size: size,
      instruction: exchange.question,
      element: index
    )
  }

  /// The conversation: a list, or a string that holds one.
  private func exchanges() throws(RowFault) -> [Exchange] {
    guard var value = row["conversations"] else { throw RowFault("no \"conversations\"") }
    if let text = value.stringValue {
      do throws(JSONError) { value = try .parse(text) } catch {
        throw RowFault("\"conversations\": \(error)")
      }
    }
    guard let turns = value.arrayValue else {
      throw RowFault("\"conversations\" is \(value.kind), a list is needed")
    }
    guard turns.count % 2 == 0 else {
      throw RowFault("\"conversations\" has \(turns.count) turns: a question has no answer")
    }
    var exchanges: [Exchange] = []
    for index in stride(from: 0, to: turns.count, by: 2) {
      exchanges.append(
        Exchange(
          question: Self.withoutImageTag(try turn(turns[index], "human", index)),
          answer: try turn(turns[index + 1], "gpt", index + 1)
        )
      )
    }
    return exchanges
  }

  private func turn(
    _ turn: JSONValue,
    _ speaker: String,
    _ index: Int
  ) throws(RowFault) -> String {
    do throws(RowFault) {
      let found = try Self.string(turn, "from")
      guard found == speaker else {
        throw RowFault("is from \(found), \(speaker) is needed")
      }
      return try Self.string(turn, "value")
    } catch {
      throw RowFault("turn \(index + 1): \(error.reason)")
    }
  }

  static func withoutImageTag(_ text: String) -> String {
    text.replacingOccurrences(of: "<image>", with: "")
      .trimmingCharacters(in: .whitespacesAndNewlines)
  }
}
