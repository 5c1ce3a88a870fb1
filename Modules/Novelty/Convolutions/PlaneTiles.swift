import Tensor

/// How a plane is cut into tiles of three or four rows and columns; tiles of one size together.
struct PlaneTiles {
  /// The tiles of one size.
  struct Kind {
    /// Rows of a tile, 3 or 4.
    let rows: Int
    /// Columns of a tile, 3 or 4.
    let columns: Int
    /// Where each tile begins.
    let origins: [(row: Int, column: Int)]
    /// The products of a tile.
    var pointCount: Int { (rows + 1) * (columns + 1) }
  }

  let kinds: [Kind]

  /// The tiles of a plane; nil where an extent is no sum of threes and fours.
  init?(_ plane: PlaneExtent) {
    guard let rows = Self.pieces(plane.height), let columns = Self.pieces(plane.width) else {
      return nil
    }
    var kinds: [Kind] = []
    for height in [4, 3] {
      for width in [4, 3] {
        let origins = rows.filter { $0.size == height }.flatMap { row in
          columns.filter { $0.size == width }.map { (row: row.start, column: $0.start) }
        }
        if !origins.isEmpty {
          kinds.append(Kind(rows: height, columns: width, origins: origins))
        }
      }
    }
    self.kinds = kinds
  }

  /// Fours as far as they go, then threes.
  private static func pieces(_ extent: Int) -> [(start: Int, size: Int)]? {
    guard let threes = (0..<4).first(where: { extent >= 3 * $0 && (extent - 3 * $0) % 4 == 0 }),
      extent > 0
    else { return nil }
    let fours = (extent - 3 * threes) / 4
    return (0..<fours).map { (4 * $0, 4) } + (0..<threes).map { (4 * fours + 3 * $0, 3) }
  }
}

/// Something that is done with each tile of each image.
protocol TileWork {
  /// N.
  var images: Int { get }
  /// Where the tiles begin.
  var origins: [(row: Int, column: Int)] { get }

  /// The work on one tile with the transforms of its rows and columns; `lanes` is room for its points.
  func callAsFunction<Rows: ToomCook, Columns: ToomCook>(
    _ rows: Rows.Type,
    _ columns: Columns.Type,
    image: Int,
    tile: Int,
    _ lanes: UnsafeMutablePointer<Lane>
  )
}

extension PlaneTiles.Kind {
  /// Does the work with the transforms of this size.
  func perform(_ work: some TileWork) {
    switch (rows, columns) {
    case (4, 4): walk(work, FourCoefficients.self, FourCoefficients.self)
    case (4, _): walk(work, FourCoefficients.self, ThreeCoefficients.self)
    case (_, 4): walk(work, ThreeCoefficients.self, FourCoefficients.self)
    default: walk(work, ThreeCoefficients.self, ThreeCoefficients.self)
    }
  }

  private func walk<Rows: ToomCook, Columns: ToomCook>(
    _ work: some TileWork,
    _ rows: Rows.Type,
    _ columns: Columns.Type
  ) {
    WorkPool.forEachRange(count: work.images, grain: 4) { range in
      withUnsafeTemporaryAllocation(of: Lane.self, capacity: 32) { lanes in
        guard let lanes = lanes.baseAddress else { return }
        for image in range {
          for tile in work.origins.indices { work(rows, columns, image: image, tile: tile, lanes) }
        }
      }
    }
  }

  /// The values of a filter of 2 × 2 weights at the points of both axes.
  func values(_ taps: (Double, Double, Double, Double)) -> [Double] {
    func along(_ size: Int, _ first: Double, _ second: Double) -> [Double] {
      size == 4
        ? FourCoefficients.values(first, second) : ThreeCoefficients.values(first, second)
    }
    let left = along(rows, taps.0, taps.2)
    let right = along(rows, taps.1, taps.3)
    return zip(left, right).flatMap { along(columns, $0, $1) }
  }
}

// The next lane may lie at any multiple of four bytes.

extension UnsafePointer<Float> {
  @inline(__always)
  func lane(_ offset: Int) -> Lane {
    UnsafeRawPointer(self + offset).loadUnaligned(as: Lane.self)
  }
}

extension UnsafeMutablePointer<Float> {
  @inline(__always)
  func lane(_ offset: Int) -> Lane {
    UnsafeRawPointer(self + offset).loadUnaligned(as: Lane.self)
  }

  @inline(__always)
  func store(_ lane: Lane, _ offset: Int) {
    UnsafeMutableRawPointer(self + offset).storeBytes(of: lane, as: Lane.self)
  }
}

extension Lane {
  /// x above 0, slope · x below.
  @inline(__always)
  func leaky(_ slope: Float) -> Lane { replacing(with: self * slope, where: self .< Lane()) }
}
