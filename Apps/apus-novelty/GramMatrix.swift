import Foundation
import ImageFiles
import Novelty
import Tensor

/// The mean |cos| between normal latents.
struct GramGeometry: Codable, Hashable {
  /// Of two samples of one class.
  var withinClasses: Double
  /// Of samples of two classes.
  var betweenClasses: Double?
}

/// The cosines between the latents of normal samples, class by class.
struct GramMatrix {
  private static let rowLimit = 180

  /// [N × N].
  let cosines: Tensor<Float>
  /// The class of each row, in blocks.
  let classes: [String]

  init(_ detector: OAAE, _ cases: ReportCases) throws {
    let normal = cases.isNovel.indices.filter { !cases.isNovel[$0] }
    let groups = Dictionary(grouping: normal) { cases.classes[$0] }
    let names = groups.keys.sorted { a, b in
      a.compare(b, options: .numeric) == .orderedAscending
    }
    let share = max(1, Self.rowLimit / max(names.count, 1))
    let rows = names.prefix(Self.rowLimit).flatMap { (groups[$0] ?? []).prefix(share) }
    classes = rows.map { cases.classes[$0] }
    let latents = try detector.embed(cases.inputs.rows(rows.map { Int32($0) }))
    let lengths = (latents * latents).sum(axes: 1).elements.map { max($0.squareRoot(), 1e-12) }
    let units = latents / Tensor(lengths, shape: [rows.count, 1])
    cosines = units.matmul(units, transposingOther: true)
  }

  var geometry: GramGeometry {
    var (within, between) = ((sum: 0.0, count: 0), (sum: 0.0, count: 0))
    let values = cosines.elements
    for row in classes.indices {
      for column in classes.indices where column != row {
        let value = Double(abs(values[row * classes.count + column]))
        if classes[row] == classes[column] {
          within = (within.sum + value, within.count + 1)
        } else {
          between = (between.sum + value, between.count + 1)
        }
      }
    }
    return GramGeometry(
      withinClasses: within.sum / Double(max(within.count, 1)),
      betweenClasses: between.count > 0 ? between.sum / Double(between.count) : nil
    )
  }

  /// The matrix as colours: blue −1, white 0, red 1.
  var image: DecodedImage {
    let values = cosines.elements
    let bytes = values.flatMap { value -> [UInt8] in
      let strength = UInt8(255 - min(255, 255 * abs(value)).rounded())
      return value < 0 ? [strength, strength, 255] : [255, strength, strength]
    }
    return DecodedImage(pixels: Tensor(bytes, shape: [classes.count, classes.count, 3]))
  }
}
