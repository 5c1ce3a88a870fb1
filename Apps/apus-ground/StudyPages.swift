import Foundation
import GUIGrounding
import Quantization
import Support
import Tensor

/// Rendered pages that a study trains on and measures with, in the place of synthetic ones.
struct RenderedPages: Codable, Hashable {
  /// A folder that `pages` has written.
  var training: String
  /// Another one, of other sites.
  var test: String
  /// SHA-256 of both lists of elements.
  var digest: String

  /// - Throws: `CommandFailure` if there is no list of elements.
  init(training: String, test: String) throws {
    (self.training, self.test) = (training, test)
    var digest = FrozenDigest()
    for folder in [training, test] {
      let path = folder + "/elements.jsonl"
      guard let data = FileManager.default.contents(atPath: path) else {
        throw CommandFailure(
          "\(folder) holds no elements.jsonl; name a folder of 'apus-ground pages'"
        )
      }
      data.withUnsafeBytes { digest.update($0) }
    }
    self.digest = digest.text
  }
}

/// The examples of a study.
struct StudyPages {
  private let plan: StudyPlan
  private let rendered: (training: GroundingExamples, test: GroundingExamples)?

  /// Opens the rendered pages of a plan, if it has any.
  ///
  /// - Throws: `CommandFailure` where they are too few; what reading them throws.
  init(_ plan: StudyPlan) throws {
    self.plan = plan
    rendered = try plan.rendered.map { pages in
      let training = try Self.examples(pages.training, plan)
      let test = try Self.examples(pages.test, plan)
      guard test.count >= plan.testPages else {
        throw CommandFailure(
          "\(pages.test) has \(test.count.counted("usable item")), \(plan.testPages) are measured; "
            + "render more pages, or choose fewer --test-pages"
        )
      }
      guard training.count > 0 else {
        throw CommandFailure("\(pages.training) has no usable item; see the help of 'study'")
      }
      return (training, Self.drawn(plan.testPages, of: test, Philox(seed: plan.testSeed)))
    }
  }

  /// What a policy that reads a colour and a shape can be asked, or any text.
  private static func examples(_ folder: String, _ plan: StudyPlan) throws -> GroundingExamples {
    let dataset = try GroundingDataset.load(
      folder,
      layout: .native,
      options: GroundingDataOptions()
    )
    return .rows(of: dataset) { item in
      plan.policy.instruction != .words
        || item.ordinal == nil && SyntheticInstruction(item.instruction) != nil
    }
  }

  /// Examples in an order that is drawn, from place `start` on, begun anew at the end: folders list one
  /// site after the other.
  private static func drawn(
    _ count: Int,
    of items: GroundingExamples,
    from start: Int = 0,
    _ generator: Philox
  ) -> GroundingExamples {
    var generator = generator
    let order = Array(0..<items.count).shuffled(using: &generator)
    return GroundingExamples(name: items.name, count: count) { index in
      try items.example(order[(start + index) % order.count])
    }
  }

  /// The pages that policies are measured on, the same for all rows and seeds.
  var test: GroundingExamples {
    rendered?.test ?? .synthetic(plan.testPages, seed: plan.testSeed)
  }

  /// The pages of a row; those of rows with one source are the same.
  ///
  /// Rendered items are put into an order that the seed draws, and begin anew where they end. The warm
  /// start has the first ones, the rewards and the control have those behind them; the agreement of
  /// views has all, in an order of its own.
  func training(of row: StudyRow, seed: UInt64) -> GroundingExamples {
    guard let items = rendered?.training else { return synthetic(row, seed) }
    let source = Philox(seed: seed)
    switch row {
    case .warm: return Self.drawn(plan.warmPages, of: items, source.fork(1))
    case .rl, .sft:
      let count = plan.rewardSteps * plan.prompts
      return Self.drawn(count, of: items, from: plan.warmPages, source.fork(1))
    case .consistency, .consistencyOnly, .globalOnly:
      return Self.drawn(plan.consistencyPages, of: items, source.fork(2))
    }
  }

  private func synthetic(_ row: StudyRow, _ seed: UInt64) -> GroundingExamples {
    let description = plan.description(of: row, seed: seed)
    return .synthetic(description.pages, seed: description.pageSeed)
  }
}
