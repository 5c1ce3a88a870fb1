import Tensor

extension DecodedImage {
  /// The image in another size: each pixel is the mean of the area that it covers.
  ///
  ///     p'(i, j) = Σ p(u, v) · |cell(i, j) ∩ pixel(u, v)| / |cell(i, j)|
  ///
  /// Smaller images are free of aliasing; in larger ones pixels become blocks.
  ///
  /// - Complexity: O(H · W · C), and memory for the result and one row.
  public func resized(width newWidth: Int, height newHeight: Int) -> DecodedImage {
    expect(
      newWidth > 0 && newHeight > 0,
      "resize: \(newWidth)×\(newHeight) pixels, both extents must be above 0"
    )
    guard newWidth != width || newHeight != height else { return self }
    let columns = AreaWeights(from: width, to: newWidth)
    let rows = AreaWeights(from: height, to: newHeight)
    let channels = channels
    let resized = pixels.withUnsafeElements { source in
      Tensor<UInt8>(uninitialized: [newHeight, newWidth, channels]) { target in
        var line = [Float](repeating: 0, count: newWidth * channels)
        for row in 0..<newHeight {
          var sum = [Float](repeating: 0, count: newWidth * channels)
          for (place, weight) in rows.parts(of: row) {
            columns.apply(to: source, from: place * width * channels, channels, &line)
            for index in sum.indices { sum[index] += weight * line[index] }
          }
          let start = row * newWidth * channels
          for index in sum.indices {
            target[start + index] = UInt8(max(0, min(255, (sum[index] + 0.5).rounded(.down))))
          }
        }
      }
    }
    return DecodedImage(pixels: resized)
  }
}

/// Which of the old pixels along an axis make each new one, and by how much.
private struct AreaWeights {
  private let oldCount: Int
  private let newCount: Int

  init(from oldCount: Int, to newCount: Int) {
    self.oldCount = oldCount
    self.newCount = newCount
  }

  /// The old places and their weights, whose sum is 1; lengths in units of 1 / (old · new).
  func parts(of index: Int) -> [(place: Int, weight: Float)] {
    let (start, end) = (index * oldCount, (index + 1) * oldCount)
    return (start / newCount...(end - 1) / newCount).map { place in
      let covered = min(end, (place + 1) * newCount) - max(start, place * newCount)
      return (place, Float(covered) / Float(oldCount))
    }
  }

  /// One row in the new width.
  func apply(
    to source: UnsafeBufferPointer<UInt8>,
    from start: Int,
    _ channels: Int,
    _ line: inout [Float]
  ) {
    for index in 0..<newCount {
      for channel in 0..<channels { line[index * channels + channel] = 0 }
      let (from, to) = (index * oldCount, (index + 1) * oldCount)
      for place in from / newCount...(to - 1) / newCount {
        let covered = min(to, (place + 1) * newCount) - max(from, place * newCount)
        let weight = Float(covered) / Float(oldCount)
        for channel in 0..<channels {
          let byte = source[start + place * channels + channel]
          line[index * channels + channel] += weight * Float(byte)
        }
      }
    }
  }
}
