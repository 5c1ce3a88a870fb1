import GUIGrounding

extension RemoteGroundingPolicy {
  /// An answer as a sample.
  ///
  /// - Parameters:
  ///   - counted: the answer.
  ///   - sent: the size of the picture that the model got.
  ///   - shown: the size of the picture that was handed in, in whose pixels the point is.
  /// - Returns: the sample; its point is nil where the text says no place.
  func sample(_ counted: CountedChoice, sent: PixelSize, shown: PixelSize) -> GroundingSample {
    let choice = counted.choice
    // "Pixels" are those of the picture that was sent, whatever the model calls them.
    var sample = AnswerParser().parse(choice.text)
      .sample(text: choice.text, convention: family.coordinates, view: sent)
    let scale = GroundingPoint(
      x: Double(shown.width) / Double(sent.width),
      y: Double(shown.height) / Double(sent.height)
    )
    sample.point = sample.point.map { GroundingPoint(x: $0.x * scale.x, y: $0.y * scale.y) }
    sample.box = sample.box.map { box in
      GroundingBox(
        x0: box.x0 * scale.x,
        y0: box.y0 * scale.y,
        x1: box.x1 * scale.x,
        y1: box.y1 * scale.y
      )
    }
    sample.tokenLogProbabilities = choice.logProbabilities
    sample.truncated = choice.isTruncated
    sample.reportedTokenCount = counted.tokenCount
    return sample
  }
}
