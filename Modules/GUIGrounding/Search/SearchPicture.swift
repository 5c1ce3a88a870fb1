import Foundation

/// What a picture of a search looks like.
public struct SearchPicture: Hashable, Codable, Sendable {
  /// The regions of later stages.
  public var cropColor = RGBColor(41, 98, 214)
  /// Votes of the first stage; those of later ones are in the colour of the crop.
  public var voteColor = RGBColor(230, 126, 34)
  /// The density of the last stage.
  public var heatColor = RGBColor(214, 48, 49)
  /// The answer.
  public var answerColor = RGBColor(214, 0, 120)
  /// The boxes of the target, where they are given.
  public var targetColor = RGBColor(39, 174, 96)
  /// How much of the screenshot the densest place covers.
  public var heatOpacity = 0.5

  /// The usual colours.
  public init() {}

  /// The screenshot with heat, crops, votes, target and answer.
  ///
  /// - Parameters:
  ///   - image: the whole screenshot that the search was run on.
  ///   - result: the search.
  ///   - target: what was meant, if it is known.
  /// - Returns: a picture of the same size.
  public func draw(
    on image: RGBImage,
    _ result: SearchResult,
    target: GroundingTarget? = nil
  ) -> RGBImage {
    var picture = image
    // Marks grow with the picture, so that they are seen in a small copy too.
    let unit = max(1, Double(image.size.longerSide) / 640)
    if let last = result.stages.last { heat(last, &picture) }
    for stage in result.stages.dropFirst() {
      picture.stroke(GroundingBox(stage.region), Pen(cropColor, width: 2 * unit))
    }
    for box in target?.boxes ?? [] {
      picture.stroke(box, Pen(targetColor, width: 1.5 * unit))
    }
    for stage in result.stages {
      for vote in stage.votes {
        let color = vote.stage == 0 ? voteColor : cropColor
        picture.disc(vote.point, radius: 3 * unit, Pen(.white, opacity: 0.8))
        picture.disc(vote.point, radius: 2 * unit, Pen(color, opacity: 0.9))
      }
    }
    if let point = result.point {
      picture.cross(point, radius: 9 * unit, Pen(.white, width: 4 * unit))
      picture.cross(point, radius: 9 * unit, Pen(answerColor, width: 2 * unit))
      picture.circle(point, radius: 5 * unit, Pen(answerColor, width: 1.5 * unit))
    }
    return picture
  }

  private func heat(_ stage: SearchStage, _ picture: inout RGBImage) {
    guard let kernel = stage.kernel, stage.votes.count > 1 else { return }
    let density = KernelDensity(
      points: stage.votes.map(\.point),
      weights: stage.votes.map(\.weight),
      kernel: kernel
    )
    let peak = density.points.map(density.logDensity).max() ?? 0
    // About 100 × 100 places, however large the region is.
    let step = max(2, stage.region.size.longerSide / 100)
    picture.heat(stage.region, Pen(heatColor, opacity: heatOpacity), step: step) { place in
      exp(min(density.logDensity(at: place) - peak, 0))
    }
  }
}
