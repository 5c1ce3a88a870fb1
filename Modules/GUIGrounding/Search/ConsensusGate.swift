/// When the votes agree so well that later stages are skipped.
///
/// They do when votes of at least `share` of the weight lie within one bandwidth of the answer, and
/// the box around these votes is not tiny: a small element profits from a closer look even if all
/// votes agree.
///
/// Choice: the form and the constants, in the spirit of UI-Zoomer.
public struct ConsensusGate: Hashable, Codable, Sendable {
  /// The least share of the weight near the answer.
  public var share: Double
  /// The least length of the longer side of the box around the votes near the answer, in pixels; nil
  /// for a tenth of the search's shortest crop side.
  public var minimumExtent: Double?

  /// A gate.
  public init(share: Double = 0.75, minimumExtent: Double? = nil) {
    (self.share, self.minimumExtent) = (share, minimumExtent)
  }

  /// Whether the answer of a stage stands.
  func isMet(by stage: SearchStage, minimumCropSide: Int) -> Bool {
    guard let answer = stage.point, stage.consensus >= share - 1e-12 else { return false }
    let near = stage.votes.map(\.point).filter { $0.distance(to: answer) <= stage.bandwidth }
    guard let box = GroundingBox(around: near) else { return false }
    return max(box.width, box.height) > minimumExtent ?? Double(minimumCropSide) * 0.1
  }
}
