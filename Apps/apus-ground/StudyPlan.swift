import ArgumentParser
import GUIGrounding

/// A policy of the study: how it is trained, and from which other one.
enum StudyRow: String, CaseIterable, Codable, ExpressibleByArgument {
  /// Stage 0: the warm start.
  case warm
  /// Warm start, then rewards.
  case rl
  /// Warm start, rewards, then agreement of views.
  case consistency
  /// The control: warm start, then supervision on the pages that the rewards were given for.
  case sft
  /// Warm start, then agreement of views, without rewards.
  case consistencyOnly = "consistency-only"
  /// As `consistency`, on whole pages only.
  case globalOnly = "global-only"

  /// What the row begins with.
  var parent: StudyRow? {
    switch self {
    case .warm: nil
    case .rl, .sft, .consistencyOnly: .warm
    case .consistency, .globalOnly: .rl
    }
  }

  /// What tables call it.
  var title: String {
    switch self {
    case .warm: "warm start"
    case .rl: "+ RL"
    case .consistency: "+ RL + consistency"
    case .sft: "+ SFT on the pages of RL (control)"
    case .consistencyOnly: "+ consistency without RL"
    case .globalOnly: "+ RL + stage 2 on whole pages only"
    }
  }
}

/// The numbers of a study: `plan.json` in its folder.
struct StudyPlan: Codable, Hashable {
  /// Pages and steps of the warm start.
  var warmPages = 1500
  var warmSteps = 150
  var warmBatch = 32
  /// Steps of the rewards; each page is seen once.
  var rewardSteps = 200
  /// Steps and pages of the agreement of views.
  var consistencySteps = 150
  var consistencyPages = 6000
  /// Examples of a step of all but the warm start.
  var prompts = 16
  /// Pages that policies are measured on, the same for all.
  var testPages = 2000
  var testSeed: UInt64 = 1000
  /// Responses of a vote.
  var samples = 16
  /// Of how many pages the processor time of greedy answers and votes alone is taken.
  var timedPages = 100
  /// Where rendered pages are; nil for synthetic ones.
  var rendered: RenderedPages?
  /// The policy that each seed begins with.
  var policy = NativePolicyConfiguration()
  var version = "0.1.0"

  /// The pages of a row, as its settings say it.
  func description(of row: StudyRow, seed: UInt64) -> SourceDescription {
    var description = SourceDescription(path: rendered?.training)
    switch row {
    case .warm: (description.pages, description.pageSeed) = (warmPages, 10 * seed + 1)
    case .rl, .sft:
      (description.pages, description.pageSeed) = (rewardSteps * prompts, 10 * seed + 2)
    case .consistency, .consistencyOnly, .globalOnly:
      (description.pages, description.pageSeed) = (consistencyPages, 10 * seed + 3)
    }
    return description
  }
}

/// What a policy of the study reads of an instruction.
enum StudyReading: String, CaseIterable, ExpressibleByArgument {
  /// A colour and a shape.
  case words
  /// Any text.
  case bytes
}
