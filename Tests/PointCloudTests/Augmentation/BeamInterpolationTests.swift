import PointCloud
import Tensor
import TestSupport
import Testing

@Suite struct BeamInterpolationTests {
  static let sensor = SensorScans.even(3, from: 4, to: 0, columns: 36)

  @Test func pointsComeMidway() {
    let scan = SensorScans.full(Self.sensor) { beam, _ in [10, 10.1, 20][beam] }
    let found = BeamInterpolation()(SensedScan(scan, of: Self.sensor))
    #expect(found.model.elevations == [4, 3, 2, 1, 0] && found.model.columnCount == 36)
    // One new beam: the ranges of the lower two beams differ too much.
    #expect(found.scan.count == 4 * 36)
    let rings = found.scan.rings?.elements ?? []
    #expect(Array(rings.prefix(108)) == (scan.rings?.elements ?? []).map { 2 * $0 })
    #expect(rings.dropFirst(108).allSatisfy { $0 == 1 })
    let expected = SensorScans.point(10.05, 3, 5)
    expectClose(found.scan.positions[108].elements, expected, absolute: 1e-4)
    #expect(found.scan.positions[0..<108] == scan.positions)
  }

  @Test func labelsMustAgree() {
    var scan = SensorScans.full(Self.sensor)
    let labels = (0..<108).map { Int32($0 < 36 + 5 ? 1 : 2) }
    scan.labels = Tensor(labels, shape: [108])
    scan.instances = Tensor((0..<108).map { Int32($0 == 40 || $0 == 4 ? 7 : 0) }, shape: [108])
    scan.intensity = Tensor((0..<108).map { Float($0 / 36) }, shape: [108])
    let found = BeamInterpolation()(SensedScan(scan, of: Self.sensor))
    // Columns 0 … 4 of the first pair, 5 … 35 of the second.
    #expect(found.scan.count == 108 + 36)
    let added = (found.scan.labels?.elements ?? []).suffix(36)
    #expect(Array(added) == (0..<36).map { $0 < 5 ? 1 : 2 })
    #expect(found.scan.instances?.elements.suffix(36).filter { $0 == 7 }.count == 1)
    #expect(found.scan.intensity?.elements.suffix(36).prefix(6) == [0.5, 0.5, 0.5, 0.5, 0.5, 1.5])
  }

  /// Of a simulated surface every second beam comes back where it was left out.
  @Test func missingBeamsComeBack() {
    let sensor = SensorScans.even(9, from: -10, to: -18, columns: 36)
    let full = SensorScans.full(sensor, hasRings: false)
    let half = SensedScan(full, of: sensor).keeping([0, 2, 4, 6, 8])
    let found = BeamInterpolation()(half)
    #expect(found.model.elevations == sensor.elevations)
    #expect(found.scan.count == full.count)
    let rings = found.scan.rings?.elements ?? []
    let order = (0..<Int32(9)).flatMap { ring in
      rings.indices.filter { rings[$0] == ring }.map { Int32($0) }
    }
    expectClose(found.scan.selecting(order).positions, full.positions, absolute: 1e-4)
  }

  @Test func nearestPointOfAColumnCounts() {
    let seen = [(30.0, 4.0, 5.0), (10, 4, 5.1), (10, 2, 5)]
    let points = seen.flatMap { SensorScans.point($0.0, $0.1, $0.2) } + [.nan, 0, 0, 0, 0, 0]
    let scan = LidarScan(positions: Tensor(points, shape: [5, 3]))
    let found = BeamInterpolation()(SensedScan(scan, of: Self.sensor)).scan
    #expect(found.count == 6 && found.rings?.elements.last == 1)
    expectClose(found.positions[5].elements, SensorScans.point(10, 3, 5.05), absolute: 1e-4)
  }

  @Test func nothingToInterpolate() {
    let one = SensorScans.even(1, from: 0, to: 0, columns: 36)
    let scan = SensedScan(SensorScans.full(one), of: one)
    #expect(BeamInterpolation()(scan).scan.count == 36)
    let empty = SensedScan(LidarScan(positions: .zeros([0, 3])), of: Self.sensor)
    #expect(BeamInterpolation()(empty).scan.count == 0)
  }
}
