import Foundation
@testable import GUIGrounding
import Tensor
import TestSupport
import Testing

/// A policy that answers the target of a known page, or misses it.
private struct KnowingPolicy: GroundingPolicy {
  let name = "knowing"
  let right: GroundingPoint
  let isRight: Bool
  var thinks = true

  func viewSize(for image: PixelSize) -> PixelSize {
    PixelSize(width: image.width / 2, height: image.height / 2)
  }

  nonisolated(nonsending) func sample(
    _ request: GroundingRequest,
    count: Int,
    options: GroundingSampling
  ) async throws -> [GroundingSample] {
    let miss = GroundingSample(text: "?", point: nil, formatOK: false)
    let point = GroundingPoint(x: right.x / 2, y: right.y / 2)
    let text = "<think>It is the \(request.instruction.suffix(4)).</think><answer>…</answer>"
    let hit = GroundingSample(
      text: thinks ? text : "click",
      point: isRight ? point : nil,
      formatOK: thinks
    )
    return Array(repeating: miss, count: count - 1) + [hit]
  }
}

/// A policy that answers so many requests and then fails.
private final class FailingPolicy: GroundingPolicy {
  struct Failure: Error {}
  let name = "knowing"
  private let base: KnowingPolicy
  private var left: Int

  init(_ base: KnowingPolicy, requests: Int) { (self.base, left) = (base, requests) }

  func viewSize(for image: PixelSize) -> PixelSize { base.viewSize(for: image) }

  nonisolated(nonsending) func sample(
    _ request: GroundingRequest,
    count: Int,
    options: GroundingSampling
  ) async throws -> [GroundingSample] {
    guard left > 0 else { throw Failure() }
    left -= 1
    return try await base.sample(request, count: count, options: options)
  }
}

@Suite struct TrainingRowExportTests {
  private func example() -> (GroundingExamples, GroundingPoint) {
    let image = RGBImage(size: PixelSize(width: 200, height: 100), color: .white)
    let box = GroundingBox(x0: 100, y0: 20, x1: 140, y1: 40)
    let example = GroundingExample(
      image: image,
      instruction: "open the Index",
      target: GroundingTarget(box: box)
    )
    return (GroundingExamples(name: "one", [example]), box.center)
  }

  /// A policy that fails in the midst, a second run that goes on, and a whole one: the same rows.
  @Test func aFailureLosesNothingAndIsGoneOnFrom() async throws {
    try await withTemporaryFolder { folder in
      let (examples, center) = example()
      let five = GroundingExamples(name: "five", count: 5) { _ in try examples.example(0) }
      func export(_ path: String, _ policy: any GroundingPolicy) -> TrainingRowExport {
        TrainingRowExport(to: path, of: policy, on: five, TrainingRowOptions(layout: .gta1))
      }
      let knowing = KnowingPolicy(right: center, isRight: true)
      let (whole, broken) = (folder + "/whole", folder + "/broken")
      #expect(try await export(whole, knowing).run().rows == 10)
      await #expect(throws: FailingPolicy.Failure.self) {
        try await export(broken, FailingPolicy(knowing, requests: 3)).run()
      }
      func rows(_ path: String) throws -> String {
        try String(contentsOfFile: path + "/rows.jsonl", encoding: .utf8)
      }
      #expect(try rows(broken).split(separator: "\n").count == 6)
      // What was not written to its end is done again.
      let journal = broken + "/examples.jsonl"
      let text = try String(contentsOfFile: journal, encoding: .utf8)
      try Data(text.dropLast(9).utf8).write(to: URL(filePath: journal))
      let report = try await export(broken, knowing).run()
      #expect(report.tried == 5 && report.rows == 10 && report.isComplete)
      #expect(try rows(broken) == rows(whole))
      await #expect(throws: GroundingTrainingError.self) {
        try await TrainingRowExport(
          to: broken,
          of: knowing,
          on: five,
          TrainingRowOptions(layout: .uground)
        ).run()
      }
    }
  }

  /// A tool call hits without a thought: rows without reasoning take it, those with reasoning say so.
  @Test(arguments: TrainingRowLayout.allCases)
  func onlyLayoutsOfReasoningNeedIt(_ layout: TrainingRowLayout) async throws {
    try await withTemporaryFolder { folder in
      let (examples, center) = example()
      let report = try await TrainingRowExport(
        to: folder,
        of: KnowingPolicy(right: center, isRight: true, thinks: false),
        on: examples,
        TrainingRowOptions(layout: layout)
      ).run()
      #expect(report.rows == (layout == .vlmR1 ? 0 : 2))
      #expect(report.withoutReasoning == (layout == .vlmR1 ? 1 : 0))
    }
  }

  private func rows(_ layout: TrainingRowLayout) async throws -> [[String: Any]] {
    try await withTemporaryFolder { folder in
      let (examples, center) = example()
      let export = TrainingRowExport(
        to: folder,
        of: KnowingPolicy(right: center, isRight: true),
        on: examples,
        TrainingRowOptions(layout: layout)
      )
      let report = try await export.run()
      #expect(report.tried == 1 && report.solved == 1 && report.rows == 2 && report.isComplete)
      let text = try String(contentsOfFile: folder + "/rows.jsonl", encoding: .utf8)
      return try text.split(separator: "\n").map { line in
        let row = try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any]
        let object = try #require(row)
        let path = object["image"] as? String ?? (object["images"] as? [String])?.first ?? ""
        _ = try RGBImage(contentsOf: folder + "/" + path)
        return object
      }
    }
  }

  private func turns(_ row: [String: Any]) -> [String] {
    (row["conversations"] as? [[String: String]] ?? []).compactMap { $0["value"] }
  }

  @Test func vlmR1RowsThinkAndPointInPixels() async throws {
    let rows = try await rows(.vlmR1)
    #expect(turns(rows[0])[0] == "<image>open the Index")
    #expect(
      turns(rows[0])[1] == "<think>It is the ndex.</think><answer>(120, 30)</answer>"
    )
    #expect(rows[0]["bbox"] as? [Int] == [500, 200, 700, 400])
    #expect(rows[1]["bbox"] as? [Int] != rows[0]["bbox"] as? [Int])
  }

  @Test func gta1RowsAreInThousandths() async throws {
    let rows = try await rows(.gta1)
    #expect(rows[0]["bbox"] as? [Int] == [500, 200, 700, 400])
    #expect(turns(rows[0])[1] == "(120, 30)")
  }

  @Test func easyR1RowsHaveAProblemAndABox() async throws {
    let row = try await rows(.easyR1)[0]
    #expect(row["problem"] as? String == "<image>open the Index")
    #expect(row["gt_bbox"] as? [Double] == [0.5, 0.2, 0.7, 0.4])
    #expect(row["gt_action"] as? String == "click")
    #expect(row["answer"] as? String == #"{"gt_bbox":[0.5,0.2,0.7,0.4]}"#)
  }

  @Test func ugroundRowsHoldAConversationAsText() async throws {
    let row = try await rows(.uground)[0]
    #expect(row["width"] as? Int == 200 && row["height"] as? Int == 100)
    let text = try #require(row["conversations"] as? String)
    #expect(
      text == #"[{"from":"human","value":"open the Index"},{"from":"gpt","value":"(600, 300)"}]"#
    )
  }

  @Test(
    arguments: zip(
      TrainingRowLayout.allCases,
      [GroundingLayout.gta1, .gta1, .guiR1, .uGroundPoint]
    )
  )
  func rowsAreReadBack(_ layout: TrainingRowLayout, _ reading: GroundingLayout) async throws {
    try await withTemporaryFolder { folder in
      let (examples, center) = example()
      try await TrainingRowExport(
        to: folder,
        of: KnowingPolicy(right: center, isRight: true),
        on: examples,
        TrainingRowOptions(layout: layout)
      ).run()
      let rows = try GroundingDataset.load(folder + "/rows.jsonl", layout: reading)
      #expect(rows.items.count == 2)
      for (number, item) in rows.items.enumerated() {
        let image = try rows.image(item)
        let found = try #require(item.target.center)
        #expect(item.instruction == "open the Index" && item.unit == .pixels)
        #expect((image.size.width < 200) == (number == 1))
        if number == 0 { #expect(found.distance(to: center) < 0.3) }
      }
    }
  }

  @Test func unsolvedExamplesAreLeftOut() async throws {
    try await withTemporaryFolder { folder in
      let (examples, center) = example()
      let report = try await TrainingRowExport(
        to: folder,
        of: KnowingPolicy(right: center, isRight: false),
        on: examples,
        TrainingRowOptions(layout: .gta1)
      ).run()
      #expect(report.tried == 1 && report.solved == 0 && report.rows == 0)
      #expect(try String(contentsOfFile: folder + "/rows.jsonl", encoding: .utf8).isEmpty)
    }
  }

  @Test func aNativePolicyThinksAnewInEachView() async throws {
    try await withTemporaryFolder { folder in
      let report = try await TrainingRowExport(
        to: folder,
        of: try warmPolicy(),
        on: easyPages(8, seed: 5),
        TrainingRowOptions(layout: .vlmR1)
      ).run()
      #expect(report.solved > 0 && report.rows == 2 * report.solved)
      let text = try String(contentsOfFile: folder + "/rows.jsonl", encoding: .utf8)
      #expect(text.contains("<think>") && text.contains("row "))
    }
  }
}
