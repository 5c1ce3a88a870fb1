package import Tensor

/// The rays of one turn through one street, from one pose.
///
/// Columns are traced one after another: all rays of a column meet the ground, then each part that
/// can be seen from the column, the nearest part first, so that what lies behind is skipped early.
package struct StreetTracer {
  private let grid: RayGrid
  private let axes: (x: SIMD3<Float>, y: SIMD3<Float>, z: SIMD3<Float>)
  private let ground: TracedGround
  private let parts: [TracedPart]
  private let dice: RayDice

  /// The columns that one thread takes at once.
  private static let grain = 16

  package init(_ scene: StreetScene, pose: SensorPose, grid: RayGrid, dice generator: Philox) {
    self.grid = grid
    let axes = pose.axes
    self.axes = (SIMD3<Float>(axes.x), SIMD3<Float>(axes.y), SIMD3<Float>(axes.z))
    ground = TracedGround(scene.layout, from: pose.position)
    var generator = generator
    dice = RayDice(key0: generator.nextWord(), key1: generator.nextWord())
    let traced = scene.objects.flatMap(\.parts).enumerated().map { index, part in
      TracedPart(part, index: index, pose: pose, grid: grid)
    }
    // Equally near parts keep their order: `sorted` is stable only by what it is given.
    parts = traced.filter { !$0.rings.isEmpty && $0.columns.count > 0 }.enumerated().sorted {
      ($0.element.nearest, $0.offset) < ($1.element.nearest, $1.offset)
    }.map(\.element)
  }

  /// Traces all rays and keeps the points that come back.
  func scan(_ measurement: Measurement) -> LidarScan {
    var points = [ScanPoint](repeating: ScanPoint(), count: grid.count)
    points.withUnsafeMutableBufferPointer { buffer in
      guard let start = buffer.baseAddress else { return }
      measurement.withDraws { draws in
        WorkPool.forEachRange(count: grid.columnCount, grain: Self.grain) { columns in
          trace(columns, measurement, draws, into: start)
        }
      }
    }
    return ScanAssembly(grid, points).scan()
  }

  /// Traces some columns; the point of ring r and column c is written to r · H + c.
  private func trace(
    _ columns: Range<Int>,
    _ measurement: Measurement,
    _ draws: RayDraws,
    into points: UnsafeMutablePointer<ScanPoint>
  ) {
    let ringCount = grid.rings.count
    let seen = parts.filter { part in
      columns.contains { part.isSeen(from: $0, of: grid.columnCount) }
    }
    withUnsafeTemporaryAllocation(of: TracedRay.self, capacity: ringCount) { buffer in
      guard let rays = buffer.baseAddress else { return }
      for column in columns {
        trace(column, seen, rays)
        for ring in 0..<ringCount {
          points[ring * grid.columnCount + column] = measurement.point(of: rays[ring], draws)
        }
      }
    }
  }

  /// Traces the rays of a column, one for each ring.
  private func trace(
    _ column: Int,
    _ parts: [TracedPart],
    _ rays: UnsafeMutablePointer<TracedRay>
  ) {
    start(rays, column)
    for part in parts where part.isSeen(from: column, of: grid.columnCount) {
      part.meet(rays, dice)
    }
  }

  /// What the rays of a column meet, one for each ring.
  package func rays(of column: Int) -> [TracedRay] {
    [TracedRay](unsafeUninitializedCapacity: grid.rings.count) { buffer, count in
      if let rays = buffer.baseAddress { trace(column, parts, rays) }
      count = grid.rings.count
    }
  }

  /// Sends the rays of a column to the ground.
  private func start(_ rays: UnsafeMutablePointer<TracedRay>, _ column: Int) {
    let azimuth = grid.columns[column]
    let ahead = azimuth.x * axes.x + azimuth.y * axes.y
    for (ring, elevation) in grid.rings.enumerated() {
      let d = elevation.x * ahead + elevation.y * axes.z
      let index = UInt32(ring * grid.columnCount + column)
      var ray = TracedRay(direction: (d.x, d.y, d.z), index: index)
      ground.meet(&ray)
      rays[ring] = ray
    }
  }
}
