import PointCloud
import Tensor
import TestSupport
import Testing

@Suite struct LidarScanTests {
  @Test func selectingTakesEverythingThatIsKnown() {
    let scan = LidarScan(
      positions: Tensor([0, 0, 0, 1, 1, 1, 2, 2, 2], shape: [3, 3]),
      intensity: Tensor([0.1, 0.2, 0.3]),
      rings: Tensor([5, 6, 7]),
      labels: Tensor([10, 40, 70])
    )
    let part = scan.selecting([2, 0])
    #expect(part.positions.elements == [2, 2, 2, 0, 0, 0])
    #expect(part.intensity?.elements == [0.3, 0.1])
    #expect(part.rings?.elements == [7, 5])
    #expect(part.labels?.elements == [70, 10])
    #expect(part.instances == nil)
    #expect(scan.filter { $0 == 1 }.labels?.elements == [40])
  }
}
