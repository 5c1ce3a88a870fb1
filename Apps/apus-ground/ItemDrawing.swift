import Foundation
import GUIGrounding
import Support

/// A screenshot with vector marks over it: target, crops, votes, answer.
struct ItemDrawing {
  let item: GroundingItem
  let search: SearchResult
  let image: RGBImage

  /// The figure; the screenshot is in it, no larger than `longestSide`.
  func markup(longestSide: Int) throws -> String {
    let size = image.size
    let share = min(1, Double(longestSide) / Double(size.longerSide))
    let shown = PixelSize(
      width: max(1, Int((Double(size.width) * share).rounded())),
      height: max(1, Int((Double(size.height) * share).rounded()))
    )
    let data = Data(try image.resized(to: shown).png()).base64EncodedString()
    // Small pages are shown larger than they are.
    let width = max(shown.width, min(384, longestSide))
    let unit = Double(size.width) / Double(width)
    var parts = [
      "<figure><svg xmlns=\"http://www.w3.org/2000/svg\" "
        + "viewBox=\"0 0 \(size.width) \(size.height)\" width=\"\(width)\" "
        + "style=\"max-width:100%;height:auto\" role=\"img\">",
      "<image width=\"\(size.width)\" height=\"\(size.height)\" "
        + "preserveAspectRatio=\"none\" href=\"data:image/png;base64,\(data)\"/>",
    ]
    parts += item.target.boxes.map { rectangle($0, "#27ae60", 2 * unit, "target") }
    for (index, stage) in search.stages.enumerated().dropFirst() {
      parts.append(
        rectangle(GroundingBox(stage.region), "#2962d6", 2 * unit, "crop of stage \(index + 1)")
      )
    }
    for stage in search.stages {
      for vote in stage.votes { parts.append(disc(vote, 3 * unit)) }
    }
    if let point = search.point { parts.append(cross(point, 9 * unit, 2 * unit)) }
    parts.append("</svg></figure>")
    return parts.joined(separator: "\n")
  }

  private func rectangle(
    _ box: GroundingBox,
    _ color: String,
    _ width: Double,
    _ title: String
  ) -> String {
    "<rect "
      + "x=\"\(box.x0.fixed(2))\" y=\"\(box.y0.fixed(2))\" width=\"\(box.width.fixed(2))\" "
      + "height=\"\(box.height.fixed(2))\" fill=\"none\" stroke=\"\(color)\" "
      + "stroke-width=\"\(width.fixed(2))\"><title>\(title)</title></rect>"
  }

  private func disc(_ vote: SearchVote, _ radius: Double) -> String {
    let color = vote.stage == 0 ? "#e67e22" : "#2962d6"
    let title =
      "stage \(vote.stage + 1), response \(vote.sample + 1), "
      + "weight \(vote.weight.fixed(3)), density \(vote.density.short)"
    return "<circle cx=\"\(vote.point.x.fixed(2))\" cy=\"\(vote.point.y.fixed(2))\" "
      + "r=\"\(radius.fixed(2))\" fill=\"\(color)\" fill-opacity=\"0.8\" stroke=\"#fff\" "
      + "stroke-width=\"\((radius / 4).fixed(2))\"><title>\(title)</title></circle>"
  }

  private func cross(_ point: GroundingPoint, _ radius: Double, _ width: Double) -> String {
    let (x, y) = (point.x, point.y)
    let path =
      "M\((x - radius).fixed(2)) \(y.fixed(2))H\((x + radius).fixed(2))"
      + "M\(x.fixed(2)) \((y - radius).fixed(2))V\((y + radius).fixed(2))"
    return "<path d=\"\(path)\" stroke=\"#fff\" stroke-width=\"\((2 * width).fixed(2))\"/>"
      + "<path d=\"\(path)\" stroke=\"#d60078\" stroke-width=\"\(width.fixed(2))\">"
      + "<title>answer \(x.fixed(1)) \(y.fixed(1))</title></path>"
  }
}
