import Tensor

extension LidarScan {
  /// How far below the sensor the ground around it lies, in metres; nil if the scan shows none.
  ///
  /// That is the sensor's height above the road where nothing better is known: within 0.25 m for
  /// simulated streets (sensors are tilted, sidewalks are higher), 0.15 m for three scans of KITTI.
  ///
  /// The median of the fullest 0.3 m of the heights of points 3 to 15 m away, from 0.3 to 5 m below
  /// the sensor. A fifth of these points must lie there, and at least 50.
  public func groundDepth() -> Double? {
    var depths: [Double] = []
    positions.withUnsafeElements { points in
      for index in 0..<count {
        let (x, y) = (Double(points[3 * index]), Double(points[3 * index + 1]))
        let (distance, depth) = (x * x + y * y, -Double(points[3 * index + 2]))
        if distance > 9, distance < 225, depth > 0.3, depth < 5 { depths.append(depth) }
      }
    }
    var bins = [Int](repeating: 0, count: 50)
    for depth in depths { bins[min(Int(10 * depth), 49)] += 1 }
    let layers = bins.indices.dropLast(2).map { bins[$0] + bins[$0 + 1] + bins[$0 + 2] }
    guard let most = layers.max(), let first = layers.firstIndex(of: most), most >= 50,
      5 * most >= depths.count
    else { return nil }
    let layer = depths.filter { (first..<first + 3).contains(min(Int(10 * $0), 49)) }.sorted()
    return layer[layer.count / 2]
  }
}
