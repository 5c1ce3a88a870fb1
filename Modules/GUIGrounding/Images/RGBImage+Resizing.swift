import Tensor

extension RGBImage {
  /// The picture in another size.
  ///
  /// Each axis on its own: where it shrinks, a pixel is the mean of the stretch that it covers; where
  /// it grows, the linear interpolation between the centres of its two neighbours, the outermost of
  /// which reach to the border. The same on every machine and for any number of threads.
  ///
  /// - Complexity: O((H + h) · W) for shrinking, memory for the result and one row a thread.
  public func resized(to newSize: PixelSize) -> RGBImage {
    expect(
      newSize.width > 0 && newSize.height > 0,
      "resize: \(newSize) pixels, both extents must be above 0"
    )
    guard newSize != size else { return self }
    let columns = AxisWeights(from: size.width, to: newSize.width)
    let rows = AxisWeights(from: size.height, to: newSize.height)
    let rowBytes = size.width * 3
    let resized = pixels.withUnsafeBufferPointer { source in
      [UInt8](unsafeUninitializedCapacity: newSize.pixelCount * 3) { target, count in
        count = newSize.pixelCount * 3
        guard let from = source.baseAddress, let to = target.baseAddress else { return }
        // Boundaries from the shape alone.
        WorkPool.forEachRange(count: newSize.height, grain: 16) { range in
          var line = [Float](repeating: 0, count: rowBytes)
          for row in range {
            rows.combine(row, of: from, rowBytes, into: &line)
            columns.write(line, to: to + row * newSize.width * 3)
          }
        }
      }
    }
    return RGBImage(size: newSize, pixels: resized)
  }
}

/// Which old places along an axis make each new one, and by how much.
private struct AxisWeights {
  /// The first weight of each new place; one more entry than there are places.
  private var starts: [Int] = [0]
  /// The old places, and their weights, which sum to 1 for each new one.
  private var places: [Int] = []
  private var weights: [Float] = []

  init(from oldCount: Int, to newCount: Int) {
    for index in 0..<newCount {
      if newCount <= oldCount {
        appendCovered(index, oldCount, newCount)
      } else {
        appendNeighbours(index, oldCount, newCount)
      }
      starts.append(places.count)
    }
  }

  /// The means: lengths in units of 1 / (old · new), so that they are exact.
  private mutating func appendCovered(_ index: Int, _ oldCount: Int, _ newCount: Int) {
    let (start, end) = (index * oldCount, (index + 1) * oldCount)
    for place in start / newCount...(end - 1) / newCount {
      let covered = min(end, (place + 1) * newCount) - max(start, place * newCount)
      places.append(place)
      weights.append(Float(Double(covered) / Double(oldCount)))
    }
  }

  private mutating func appendNeighbours(_ index: Int, _ oldCount: Int, _ newCount: Int) {
    let center = (Double(index) + 0.5) * Double(oldCount) / Double(newCount) - 0.5
    let clamped = min(max(center, 0), Double(oldCount - 1))
    let place = min(Int(clamped), max(oldCount - 2, 0))
    let fraction = clamped - Double(place)
    places.append(place)
    weights.append(Float(1 - fraction))
    guard fraction > 0 else { return }
    places.append(place + 1)
    weights.append(Float(fraction))
  }

  /// The weighted sum of the rows that make row `index` of the new picture.
  func combine(
    _ index: Int,
    of source: UnsafePointer<UInt8>,
    _ rowBytes: Int,
    into line: inout [Float]
  ) {
    line.withUnsafeMutableBufferPointer { line in
      for part in starts[index]..<starts[index + 1] {
        let row = source + places[part] * rowBytes
        let weight = weights[part]
        if part == starts[index] {
          for byte in 0..<rowBytes { line[byte] = weight * Float(row[byte]) }
        } else {
          for byte in 0..<rowBytes { line[byte] += weight * Float(row[byte]) }
        }
      }
    }
  }

  /// The columns of one row in the new width, rounded to the nearest byte.
  func write(_ line: [Float], to target: UnsafeMutablePointer<UInt8>) {
    line.withUnsafeBufferPointer { line in
      for index in 0..<starts.count - 1 {
        var (red, green, blue): (Float, Float, Float) = (0, 0, 0)
        for part in starts[index]..<starts[index + 1] {
          let (place, weight) = (places[part] * 3, weights[part])
          red += weight * line[place]
          green += weight * line[place + 1]
          blue += weight * line[place + 2]
        }
        target[3 * index] = UInt8(max(0, min(255, red + 0.5)))
        target[3 * index + 1] = UInt8(max(0, min(255, green + 0.5)))
        target[3 * index + 2] = UInt8(max(0, min(255, blue + 0.5)))
      }
    }
  }
}
