import Autograd
import Foundation
import ImageFiles
import Novelty
import Support
import Tensor

/// The page of `report`.
struct NoveltyPage {
  private static let binCount = 50

  private let cases: ReportCases
  private let imageCount: Int
  private var page: ReportPage

  init(_ cases: ReportCases, _ parts: [ReportPart], imageCount: Int) throws {
    self.cases = cases
    self.imageCount = imageCount
    page = ReportPage(title: "Novelty detection")
    let normals = cases.isNovel.count { !$0 }
    page.add(
      paragraph: "\(normals.grouped) normal samples and \((cases.isNovel.count - normals).grouped) "
        + "novel ones of class \(Self.novelClasses(cases))."
    )
    addTable(parts)
    addCurves(parts)
    for part in parts { addHistogram(part) }
    try addGramMatrices(parts)
    if cases.isImage, imageCount > 0 {
      for part in parts { try addImages(part) }
    }
  }

  func html() -> String { page.html() }

  private static func novelClasses(_ cases: ReportCases) -> String {
    Set(zip(cases.classes, cases.isNovel).filter(\.1).map(\.0)).sorted().joined(separator: ", ")
  }

  private mutating func addTable(_ parts: [ReportPart]) {
    page.add(
      table: ["detector", "kind", "AUROC", "95 % interval", "AP", "FPR at 95 % TPR", "threshold"],
      rows: parts.map { part in
        let metrics = part.summary.metrics
        return [
          part.summary.model, part.summary.kind, metrics.auroc.fixed(4),
          "\(metrics.area.lower.fixed(4)) to \(metrics.area.upper.fixed(4))",
          metrics.averagePrecision.fixed(4), metrics.falsePositiveRateAt95.fixed(4),
          part.summary.threshold?.short ?? "",
        ]
      }
    )
  }

  private mutating func addCurves(_ parts: [ReportPart]) {
    page.add(heading: "ROC curves")
    let series = parts.map { part in
      let points = zip(part.curve.falsePositiveRates, part.curve.truePositiveRates)
      return CurveSeries(part.summary.model, points.map { CurveSeries.Point($0, $1) })
    }
    page.add(
      CurveChart(title: "true positive rate", horizontal: "false positive rate", series: series)
    )
  }

  private mutating func addHistogram(_ part: ReportPart) {
    page.add(heading: "Scores of \(part.summary.model)")
    let sorted = part.scores.sorted()
    // A few huge scores must not press all others into one bin.
    let high = sorted[Int(0.995 * Double(sorted.count - 1))]
    guard let low = sorted.first, high > low else {
      page.add(paragraph: "All scores are \(sorted[0].short).")
      return
    }
    let width = (high - low) / Float(Self.binCount)
    var series = [true, false].map { isNovel in
      var counts = [Int](repeating: 0, count: Self.binCount)
      for (score, flag) in zip(part.scores, cases.isNovel) where flag == isNovel {
        counts[min(Self.binCount - 1, max(0, Int(min((score - low) / width, 1e6))))] += 1
      }
      let total = Double(max(counts.reduce(0, +), 1))
      let points = counts.enumerated().flatMap { bin, count in
        [Float(bin), Float(bin + 1)].map {
          CurveSeries.Point(Double(low + $0 * width), 100 * Double(count) / total)
        }
      }
      return CurveSeries(isNovel ? "novel" : "normal", points)
    }
    if let threshold = part.summary.threshold, (low...high).contains(threshold) {
      let top = series.flatMap(\.points).map(\.y).max() ?? 0
      let points = [0, top].map { CurveSeries.Point(Double(threshold), $0) }
      series.append(CurveSeries("threshold", points))
    }
    page.add(CurveChart(title: "per cent of samples", horizontal: "score", series: series))
    page.add(paragraph: "The last bin also holds all higher scores.")
  }

  private mutating func addGramMatrices(_ parts: [ReportPart]) throws {
    let networks = parts.compactMap { part in (part.detector as? OAAE).map { (part, $0) } }
    guard !networks.isEmpty else { return }
    page.add(heading: "Gram matrices of normal latents")
    page.add(
      paragraph: "Cosines between latents, samples in the order of their classes: red 1, white 0, "
        + "blue −1. Orthogonal classes are red blocks on white."
    )
    for (part, detector) in networks {
      let matrix = try GramMatrix(detector, cases)
      let weight = detector.configuration.embeddingWeight
      let kind = weight == 0 ? "without orthogonal embedding" : "with orthogonal embedding"
      let geometry = matrix.geometry
      let between = geometry.betweenClasses.map { ", between classes \($0.fixed(3))" } ?? ""
      page.add(
        paragraph: "\(part.summary.model), \(kind): mean |cos| within classes "
          + "\(geometry.withinClasses.fixed(3))\(between)"
      )
      page.body.append(try Self.picture(matrix.image, width: 400, title: "Gram matrix"))
    }
  }

  private mutating func addImages(_ part: ReportPart) throws {
    let order = part.scores.indices.sorted { part.scores[$0] > part.scores[$1] }
    let count = min(imageCount, order.count)
    for (title, rows) in [
      ("Most novel for", Array(order.prefix(count))),
      ("Least novel for", Array(order.suffix(count).reversed())),
    ] {
      page.add(heading: "\(title) \(part.summary.model)")
      var pictures = try rows.map { row in
        try Self.picture(
          Self.image(of: cases.inputs[row]),
          width: 56,
          title: "\(cases.places[row].description): class \(cases.classes[row]), "
            + "score \(part.scores[row].short)"
        )
      }
      if let network = part.detector as? OAAE {
        pictures.append("<br/>")
        let inputs = cases.inputs.rows(rows.map { Int32($0) })
        let outputs = try network.reconstruct(inputs)
        for (place, row) in rows.enumerated() where outputs.rank > 2 {
          let title = "\(cases.places[row].description), reconstructed"
          pictures.append(try Self.picture(Self.image(of: outputs[place]), width: 56, title: title))
        }
      }
      page.body.append("<p>" + pictures.joined(separator: "\n") + "</p>")
    }
  }

  /// Pixels [H × W] or [3 × H × W] in [0, 1] as an image.
  private static func image(of pixels: Tensor<Float>) -> DecodedImage {
    let plane = pixels.rank == 3 ? pixels.permuted(1, 2, 0) : pixels.expandingDimensions(at: 2)
    let bytes = plane.elements.map { UInt8(max(0, min(255, 255 * $0)).rounded()) }
    return DecodedImage(pixels: Tensor(bytes, shape: plane.shape))
  }

  private static func picture(
    _ image: DecodedImage,
    width: Int,
    title: String
  ) throws -> String {
    let data = Data(try image.pngBytes()).base64EncodedString()
    let name = title.printable.replacing("&", with: "&amp;").replacing("<", with: "&lt;")
      .replacing("\"", with: "&quot;")
    return "<img alt=\"\(name)\" title=\"\(name)\" width=\"\(width)\" "
      + "style=\"image-rendering:pixelated;margin:1px\" src=\"data:image/png;base64,\(data)\"/>"
  }
}
