import Foundation
import Tensor
import TestSupport
import Testing

/// A reader, what its files look like, and what must hold of whatever it reads.
struct FuzzTarget: Sendable, CustomTestStringConvertible {
  /// The name of its files, by which it is also called.
  let name: String
  /// Sound files to begin with.
  let seeds: [[UInt8]]
  /// Words of the format.
  var words: [String] = []
  /// How the last line of a header in text begins; nil if the format has none.
  var headerEnd: String?
  /// A sound file that is read together with the changed one: its name and its bytes.
  var companion: (name: String, bytes: [UInt8])?
  /// Reads the file at a path and checks what was read; returns in few words what it was.
  ///
  /// Throws what the reader throws. The number tells of which input this is.
  let read: @Sendable (_ path: String, _ number: Int) throws -> String

  var testDescription: String { name }
}

/// How long files are changed and read.
///
/// In a test a few hundred inputs of each reader; as long as one likes with
/// `APUS_FUZZ_SECONDS=600`, for each reader, and with other inputs by `APUS_FUZZ_SEED=7`. A crash
/// leaves its input behind in the temporary folder, as `fuzz-NAME`.
struct FuzzBudget {
  let seconds: Double?
  let seed: UInt64
  let inputCount = 600

  static let current: FuzzBudget = {
    let environment = ProcessInfo.processInfo.environment
    return FuzzBudget(
      seconds: environment["APUS_FUZZ_SECONDS"].flatMap(Double.init),
      seed: environment["APUS_FUZZ_SEED"].flatMap(UInt64.init) ?? 20_24
    )
  }()

  /// The limit of a test, which is for hangs.
  var minutes: Int { 10 + Int((seconds ?? 0) / 60) }
}

/// Reads changed files of one format, and keeps those that led somewhere new to change them again.
///
/// Where a file leads is told by the error without its numbers, or by what the scan has: a stand-in
/// for the coverage of code that reaches behind a header without any instrumentation.
struct FuzzCampaign {
  private let target: FuzzTarget
  private let mutator: FuzzMutator
  /// Files that were read, and files that were refused: each the first of its outcome.
  private var sound: [[UInt8]]
  private var damaged: [[UInt8]] = []
  private var outcomes: Set<String> = []
  private var random: Philox
  /// How many inputs were refused and read.
  private(set) var refusals = 0
  private(set) var readings = 0

  /// The most inputs that are kept.
  private static let limit = 2000

  init(_ target: FuzzTarget, seed: UInt64) {
    self.target = target
    mutator = FuzzMutator(words: target.words, headerEnd: target.headerEnd)
    sound = target.seeds
    random = Philox(seed: seed)
  }

  /// The number of different outcomes.
  var outcomeCount: Int { outcomes.count }

  mutating func run(_ budget: FuzzBudget) throws {
    try withTemporaryFolder { folder in
      if let (name, bytes) = target.companion {
        try Data(bytes).write(to: URL(filePath: folder + "/" + name))
      }
      let path = folder + "/fuzz-" + target.name
      for (number, seed) in target.seeds.enumerated() {
        try Data(seed).write(to: URL(filePath: path))
        let outcome = try target.read(path, number)
        outcomes.insert(outcome)
      }
      let clock = ContinuousClock()
      let end = budget.seconds.map { clock.now.advanced(by: .seconds($0)) }
      var number = 0
      while end.map({ clock.now < $0 }) ?? (number < budget.inputCount) {
        try step(path, number)
        number += 1
      }
    }
  }

  private mutating func step(_ path: String, _ number: Int) throws {
    let bytes = mutator.mutated(parent(), with: parent(), &random)
    try Data(bytes).write(to: URL(filePath: path))
    do {
      let outcome = try target.read(path, number)
      readings += 1
      if outcomes.insert(outcome).inserted, sound.count < Self.limit { sound.append(bytes) }
    } catch {
      refusals += 1
      let text = "\(error)"
      if !text.contains("fuzz-") && !text.contains("companion") {
        Issue.record("the error names no file: \(text)")
      }
      let isNew = outcomes.insert(Self.kind(of: text)).inserted
      if isNew, damaged.count < Self.limit { damaged.append(bytes) }
    }
  }

  /// A file to change: two of three times one that can be read.
  private mutating func parent() -> [UInt8] {
    let pool = damaged.isEmpty || random.below(3) > 0 ? sound : damaged
    return pool[random.below(pool.count)]
  }

  /// An error without its numbers, and without what it quotes of the file.
  private static func kind(of text: String) -> String {
    var (kind, isQuoted) = ("", false)
    for character in text.prefix(300) {
      if character == "\"" { isQuoted.toggle() }
      if !isQuoted && !character.isNumber && character != "-" { kind.append(character) }
    }
    return kind
  }
}
