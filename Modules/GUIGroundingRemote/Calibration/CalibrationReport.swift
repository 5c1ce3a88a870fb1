public import GUIGrounding

/// What a model answered to one question of the calibration.
public struct CalibrationAnswer: Codable, Hashable, Sendable {
  /// The size of the picture that was sent.
  public var size: PixelSize
  /// What was asked.
  public var instruction: String
  /// Where the square is.
  public var box: GroundingBox
  /// The whole response.
  public var text: String
  /// The numbers as they were written; nil where there are none.
  public var written: GroundingPoint?

  /// An answer.
  public init(
    size: PixelSize,
    instruction: String,
    box: GroundingBox,
    text: String,
    written: GroundingPoint?
  ) {
    self.size = size
    self.instruction = instruction
    self.box = box
    self.text = text
    self.written = written
  }
}

/// How well a convention explains the answers.
public struct CalibrationHypothesis: Codable, Hashable, Sendable {
  /// The convention.
  public var convention: CoordinateConvention
  /// Answers that lie in their square under this convention.
  public var hits: Int
  /// The mean distance from the centre of the square, as a share of the longer side.
  public var meanError: Double
}

/// The size and the place at which the answers of a page would be right: what a server made of it.
public struct CalibrationFit: Codable, Hashable, Sendable {
  /// The size that was sent.
  public var sent: PixelSize
  /// The width and height that the numbers run over.
  public var extent: GroundingPoint
  /// The numbers of the upper left corner; not near 0 where the server puts bars around.
  public var origin: GroundingPoint
  /// The largest distance of an answer from the fit, in pixels of the picture that was sent.
  public var residual: Double
}

/// What a calibration found.
public struct CalibrationReport: Codable, Hashable, Sendable {
  /// What the answers say about the convention.
  public enum Verdict: String, Codable, Sendable {
    /// One convention explains them, no other does.
    case clear
    /// Several explain them about as well.
    case ambiguous
    /// Straight lines explain them, at another size than what was sent: the server resizes.
    case resized
    /// Nothing explains them.
    case unexplained
    /// Most answers hold no numbers.
    case unanswered
  }

  /// The verdict.
  public var verdict: Verdict
  /// All conventions, the best first.
  public var hypotheses: [CalibrationHypothesis]
  /// Conventions that big squares cannot tell from the best one: 0–1000 from 0–999, and the two
  /// kinds of pixels, which are the same where pictures are resized before they are sent.
  public var equivalents: [CoordinateConvention]
  /// What straight lines make of the answers, page by page, where all five squares were answered.
  public var fits: [CalibrationFit]
  /// The answers.
  public var answers: [CalibrationAnswer]

  /// The convention that explains the answers, if one does.
  public var convention: CoordinateConvention? {
    verdict == .clear ? hypotheses.first?.convention : nil
  }

  /// Whether the answers speak for a convention, or one that cannot be told from it.
  public func supports(_ convention: CoordinateConvention) -> Bool {
    self.convention == convention || (verdict == .clear && equivalents.contains(convention))
  }
}
