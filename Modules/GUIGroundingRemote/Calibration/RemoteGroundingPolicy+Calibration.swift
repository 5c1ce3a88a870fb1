import GUIGrounding

extension RemoteGroundingPolicy {
  /// Asks the model for squares at known places, and finds out what its numbers mean.
  ///
  /// Fifteen requests at temperature 0. A wrong convention is the most frequent reason for bad
  /// results, and gives no error: run this once for each server.
  ///
  /// - Parameters:
  ///   - maxTokens: the longest answer.
  ///   - progress: called with the number of answers so far, and of all.
  /// - Returns: what explains the answers.
  /// - Throws: `ResizeError`, `ChatError`, `CancellationError`.
  public nonisolated(nonsending) func calibrate(
    maxTokens: Int = 512,
    progress: (Int, Int) -> Void = { _, _ in }
  ) async throws -> CalibrationReport {
    let pages = try CalibrationPage.pages(family.resize)
    let total = pages.map(\.squares.count).reduce(0, +)
    var answers: [CalibrationAnswer] = []
    let options = GroundingSampling(temperature: 0, maxTokens: maxTokens)
    for page in pages {
      for square in page.squares {
        let request = GroundingRequest(image: page.image, instruction: square.instruction)
        let (choices, sent) = try await self.answers(to: request, count: 1, options: options)
        let text = choices.first?.choice.text ?? ""
        answers.append(
          CalibrationAnswer(
            size: sent,
            instruction: square.instruction,
            box: square.box,
            text: text,
            written: AnswerParser().parse(text).point
          )
        )
        progress(answers.count, total)
      }
    }
    return CalibrationReport(answers)
  }
}
