import Foundation
import PointCloud
import Tensor

/// Points as the page of `view` holds them: coordinates in 16 bits, layers in 8.
struct ViewerCloud: Encodable {
  /// The file, for the heading.
  var title: String
  /// The number of points.
  var count: Int
  /// The points of the file, if only a part of them is shown.
  var total: Int
  /// The middle of the box around the points, in metres.
  var center: [Float]
  /// The metres of a step of the coordinates.
  var scale: Float
  /// x, y, z of each point from the center, as little-endian Int16 in base64.
  var positions: String
  /// What points can be colored by; the first is shown.
  var layers: [Layer] = []

  /// What points can be colored by.
  struct Layer: Encodable {
    var name: String
    /// The classes that occur, by number; nil for a layer of values.
    var classes: [ClassEntry]?
    /// The values that 0 and 255 stand for; nil for a layer of classes.
    var range: [Float]?
    var unit: String?
    /// A byte for each point in base64: its class or its value; nil for z, which the page has.
    var data: String?
  }

  /// A class of the legend.
  struct ClassEntry: Encodable {
    var number: Int
    var name: String
    var color: String
    var points: Int
  }

  /// The rows that are shown, of all points of the scan.
  let rows: [Int32]

  private enum CodingKeys: String, CodingKey {
    case title, count, total, center, scale, positions, layers
  }

  /// A cloud of the points of a scan; of more than `limit` every n-th.
  init(_ scan: LidarScan, title: String, limit: Int) {
    let step = max(1, (scan.count + limit - 1) / max(limit, 1))
    rows = stride(from: 0, to: scan.count, by: step).map { Int32($0) }
    self.title = title
    (count, total) = (rows.count, scan.count)
    let points = scan.positions.elements
    var (low, high) = (SIMD3<Float>(repeating: .infinity), SIMD3<Float>(repeating: -.infinity))
    let shown = rows.map { row in
      let place = 3 * Int(row)
      return SIMD3(points[place], points[place + 1], points[place + 2])
    }
    for point in shown { (low, high) = (simdMin(low, point), simdMax(high, point)) }
    let middle = shown.isEmpty ? SIMD3<Float>() : low + (high - low) / 2
    let extent = shown.isEmpty ? 1 : max(((high - low) / 2).max(), 1e-3)
    let scale = extent / Float(Int16.max)
    (center, self.scale) = ([middle.x, middle.y, middle.z], scale)
    var bytes = Data(capacity: 6 * shown.count)
    for point in shown {
      let steps = (point - middle) / scale
      for axis in 0..<3 {
        let value = Int16(clamping: Int(steps[axis].rounded()))
        withUnsafeBytes(of: value.littleEndian) { bytes.append(contentsOf: $0) }
      }
    }
    positions = bytes.base64EncodedString()
  }

  /// Adds a layer of classes.
  mutating func add(classes: Tensor<Int32>, of map: LabelMap) {
    let numbers = rows.map { UInt8(clamping: classes.elements[Int($0)]) }
    var counts = [Int](repeating: 0, count: map.classCount)
    for number in numbers { counts[Int(number)] += 1 }
    let entries = counts.indices.filter { counts[$0] > 0 }.map { number in
      ClassEntry(
        number: number,
        name: map.classNames[number],
        color: map.classColors[number].hexadecimal,
        points: counts[number]
      )
    }
    let data = Data(numbers).base64EncodedString()
    layers.append(Layer(name: "label", classes: entries, data: data))
  }

  /// Adds the layer of z, which takes no room.
  mutating func addHeights(_ scan: LidarScan) {
    let positions = scan.positions.elements
    add("height", unit: "m", stride(from: 2, to: positions.count, by: 3).map { positions[$0] })
    if !layers.isEmpty { layers[layers.count - 1].data = nil }
  }

  /// Adds a layer of a value for each point of the scan, between its 2nd and 98th percentile.
  mutating func add(_ name: String, unit: String, _ values: [Float]) {
    let shown = rows.map { values[Int($0)] }
    let sorted = shown.filter(\.isFinite).sorted()
    guard let first = sorted.first, let last = sorted.last else { return }
    var (low, high) = (sorted[sorted.count * 2 / 100], sorted[(sorted.count - 1) * 98 / 100])
    if !(high > low) { (low, high) = (first, max(last, first + 1e-6)) }
    let bytes = shown.map { value in
      let share = value.isFinite ? (value - low) / (high - low) : 0
      return UInt8((255 * min(max(share, 0), 1)).rounded())
    }
    let data = Data(bytes).base64EncodedString()
    layers.append(Layer(name: name, range: [low, high], unit: unit, data: data))
  }
}

private func simdMin(_ a: SIMD3<Float>, _ b: SIMD3<Float>) -> SIMD3<Float> {
  a.replacing(with: b, where: b .< a)
}

private func simdMax(_ a: SIMD3<Float>, _ b: SIMD3<Float>) -> SIMD3<Float> {
  a.replacing(with: b, where: b .> a)
}
