import Checkpoints
import Foundation
import GUIGrounding
import ImageFiles
import Tensor

/// Pictures of a run with the boxes of their rows, for eyes to judge.
public enum RenderOverlays {
  /// Draws boxes on pictures that are picked at random, into the folder `overlays` of a run.
  ///
  /// The largest line box is drawn in red, the other ones of the element in blue.
  ///
  /// - Parameters:
  ///   - folder: the folder of a run.
  ///   - count: how many pictures.
  ///   - seed: where the draw starts.
  /// - Returns: the paths of the pictures.
  /// - Throws: `RenderError`.
  @discardableResult
  public static func write(
    in folder: String,
    count: Int = 20,
    seed: UInt64 = 0
  ) throws(RenderError) -> [String] {
    let journal = try RenderJournal(path: folder + "/journal.jsonl")
    var shots: [ShotRecord] = []
    try journal.forEach { record throws(RenderError) in shots += record.shots }
    let overlays = folder + "/overlays"
    try? FileManager.default.createDirectory(atPath: overlays, withIntermediateDirectories: true)
    var generator = Philox(seed: seed)
    let order = Tensor<Int32>.permutation(shots.count, using: &generator).elements
    return try order.prefix(count).map { index throws(RenderError) in
      let shot = shots[Int(index)]
      let name = shot.image.split(separator: "/").last.map(String.init) ?? "picture.png"
      let path = overlays + "/" + name
      try picturing { () throws(ImageFileError) in
        let image = try RGBImage(contentsOf: folder + "/" + shot.image)
        try marked(image, shot.rows.compactMap(\.boxes)).write(to: path)
      }
      return path
    }
  }

  /// A picture with the boxes of elements; the first box of each is its largest.
  static func marked(_ image: RGBImage, _ elements: [[GroundingBox]]) -> RGBImage {
    var marked = image
    for boxes in elements {
      for box in boxes.dropFirst() {
        marked.stroke(box, Pen(RGBColor(30, 80, 220), width: 1, opacity: 0.8))
      }
      if let largest = boxes.first {
        marked.stroke(largest, Pen(RGBColor(220, 20, 40), width: 2, opacity: 0.8))
      }
    }
    return marked
  }
}

extension JSONValue {
  /// The largest box of a row, then all boxes.
  fileprivate var boxes: [GroundingBox]? {
    let all = [self["bbox"]] + (self["boxes"]?.arrayValue ?? []).map(Optional.some)
    return all.compactMap { value in
      let sides = (value?.arrayValue ?? []).compactMap(\.doubleValue)
      guard sides.count == 4 else { return nil }
      return GroundingBox(x0: sides[0], y0: sides[1], x1: sides[2], y1: sides[3])
    }
  }
}
