import Tensor

/// Collects the rays that gave a point, ring after ring.
struct ScanAssembly {
  private let grid: RayGrid
  private let points: [ScanPoint]
  /// The number of points before each ring, and that of all.
  private let starts: [Int]

  init(_ grid: RayGrid, _ points: [ScanPoint]) {
    self.grid = grid
    self.points = points
    var starts = [0]
    for ring in grid.rings.indices {
      let range = ring * grid.columnCount..<(ring + 1) * grid.columnCount
      starts.append(starts[ring] + points[range].count { $0.range > 0 })
    }
    self.starts = starts
  }

  /// The points in the sensor's frame.
  func scan() -> LidarScan {
    let count = starts[grid.rings.count]
    var positions = Tensor<Float>(repeating: 0, shape: [count, 3])
    var intensity = Tensor<Float>(repeating: 0, shape: [count])
    var rings = Tensor<Int32>(repeating: 0, shape: [count])
    var labels = Tensor<Int32>(repeating: 0, shape: [count])
    positions.withUnsafeMutableElements { positions in
      intensity.withUnsafeMutableElements { intensity in
        rings.withUnsafeMutableElements { rings in
          labels.withUnsafeMutableElements { labels in
            fill(positions, intensity, rings, labels)
          }
        }
      }
    }
    return LidarScan(positions: positions, intensity: intensity, rings: rings, labels: labels)
  }

  private func fill(
    _ positions: UnsafeMutableBufferPointer<Float>,
    _ intensity: UnsafeMutableBufferPointer<Float>,
    _ rings: UnsafeMutableBufferPointer<Int32>,
    _ labels: UnsafeMutableBufferPointer<Int32>
  ) {
    WorkPool.forEach(parts: grid.rings.count) { ring in
      var next = starts[ring]
      let elevation = grid.rings[ring]
      for column in 0..<grid.columnCount {
        let point = points[ring * grid.columnCount + column]
        guard point.range > 0 else { continue }
        let azimuth = grid.columns[column]
        let flat = point.range * elevation.x
        positions[3 * next] = flat * azimuth.x
        positions[3 * next + 1] = flat * azimuth.y
        positions[3 * next + 2] = point.range * elevation.y
        intensity[next] = point.intensity
        rings[next] = Int32(ring)
        labels[next] = point.label
        next += 1
      }
    }
  }
}
