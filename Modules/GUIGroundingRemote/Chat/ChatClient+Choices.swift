import Checkpoints
import Tensor

extension ChatClient {
  /// How often a server that gives fewer answers than it is asked for is asked again.
  private static let roundLimit = 4

  /// Exactly `count` answers, in the order of the requests and of the server.
  ///
  /// More answers than the server gives at once become several requests, each with a seed of its
  /// own, under way together. A server that gives fewer than it says is asked for the rest.
  ///
  /// - Throws: `ChatError`, `CancellationError`.
  func choices(
    _ body: ChatRequestBody,
    count: Int,
    seed: UInt64?,
    support: ChoiceSupport
  ) async throws -> [CountedChoice] {
    var found: [CountedChoice] = []
    var cap = support.cap
    var sent = 0
    for _ in 0..<Self.roundLimit where found.count < count {
      let sizes = parts(of: count - found.count, cap: cap)
      let first = sent
      let replies = try await withThrowingTaskGroup(of: (Int, ChatReply).self) { group in
        for (place, size) in sizes.enumerated() {
          group.addTask {
            let seed = seed.map { Self.seed($0, part: first + place) }
            let body = body.json(count: size, seed: seed)
            // Without a seed the bodies of the parts are the same, and the draws are not.
            let ordinal = seed == nil ? first + place : 0
            return (place, try await self.reply(to: body, ordinal: ordinal))
          }
        }
        return try await group.reduce(into: []) { $0.append($1) }
      }
      sent += sizes.count
      for (place, reply) in replies.sorted(by: { $0.0 < $1.0 }) {
        let taken = reply.countedChoices.prefix(sizes[place])
        if taken.count < sizes[place] { cap = min(cap, taken.count) }
        found += taken
      }
    }
    guard found.count >= count else {
      throw ChatError(
        endpoint: endpoint,
        reason: .tooFewChoices(asked: count, given: found.count),
        attempts: sent
      )
    }
    return Array(found.prefix(count))
  }

  private func parts(of count: Int, cap: Int) -> [Int] {
    let size = min(cap, count)
    return stride(from: 0, to: count, by: size).map { min(size, count - $0) }
  }

  /// The first part has the seed itself.
  private static func seed(_ seed: UInt64, part: Int) -> UInt64 {
    guard part > 0 else { return seed }
    var generator = Philox(seed: seed).fork(part)
    // 31 bits, which every server takes.
    return generator.next() & 0x7FFF_FFFF
  }
}

/// An answer, and how many tokens it has where that is known.
struct CountedChoice: Sendable {
  var choice: ChatChoice
  var tokenCount: Int?
}

extension ChatReply {
  /// The answers with their tokens: counted one by one, or an equal share of what the server says.
  fileprivate var countedChoices: [CountedChoice] {
    choices.enumerated().map { index, choice in
      let share = completionTokens.map { total in
        total / choices.count + (index < total % choices.count ? 1 : 0)
      }
      return CountedChoice(choice: choice, tokenCount: choice.logProbabilities?.count ?? share)
    }
  }
}

extension ChoiceSupport {
  /// The most answers of one request.
  fileprivate var cap: Int {
    switch self {
    case .any: .max
    case .upTo(let count): max(1, count)
    case .single: 1
    }
  }
}
