import GUIGrounding
import Tensor
import TestSupport
import Testing

@Suite struct GroundingMetricsTests {
  private func item(_ id: String, side: Double = 10) -> GroundingItem {
    GroundingItem(
      id: id,
      imagePath: id,
      imageSize: PixelSize(width: 100, height: 100),
      instruction: "press",
      target: GroundingTarget(box: GroundingBox(x0: 0, y0: 0, x1: side, y1: side))
    )
  }

  private func outcome(_ id: String, _ isHit: Bool, side: Double = 10) -> GroundingOutcome {
    let point = GroundingPoint(x: isHit ? 1 : 99, y: 1)
    return GroundingOutcome(item(id, side: side), point: point)
  }

  /// 8 of 10 and 0 of 20, as R's `binom::binom.wilson` has them.
  @Test func wilsonByHand() {
    let some = WilsonInterval(correct: 8, count: 10)
    expectClose([some.lower, some.upper], [0.4901625, 0.9433178], absolute: 1e-6)
    let none = WilsonInterval(correct: 0, count: 20)
    // z² / (n + z²)
    expectClose([none.lower, none.upper], [0, 3.8414588 / 23.8414588], absolute: 1e-7)
    let all = WilsonInterval(correct: 20, count: 20)
    expectClose([all.lower, all.upper], [20 / 23.8414588, 1], absolute: 1e-7)
    let empty = WilsonInterval(correct: 0, count: 0)
    #expect(empty.lower == 0 && empty.upper == 1)
  }

  /// 2 · (1 + 13 + 78 + 286) / 2¹³, and erfc(√(29² / 90 / 2)).
  @Test func mcNemarByHand() {
    func test(_ b: Int, _ c: Int) -> McNemarTest {
      McNemarTest(bothCorrect: 5, onlyFirst: b, onlySecond: c, bothWrong: 7)
    }
    expectClose([test(3, 10).pValue], [756 / 8192], absolute: 1e-12)
    #expect(test(10, 3).pValue == test(3, 10).pValue && test(3, 10).isExact)
    expectClose([test(30, 60).pValue], [0.0022375], absolute: 1e-6)
    #expect(!test(30, 60).isExact)
    #expect(test(0, 0).pValue == 1 && test(4, 4).pValue == 1 && test(40, 40).pValue == 1)
    expectClose([test(0, 1).pValue, test(0, 6).pValue], [1, 2.0 / 64], absolute: 1e-12)
  }

  @Test func runsArePairedByTheirItems() throws {
    let first = [outcome("a", true), outcome("b", true), outcome("c", false), outcome("d", false)]
    let second = [outcome("d", true), outcome("c", false), outcome("b", false), outcome("a", true)]
    let test = try McNemarTest(first, second)
    #expect(test.bothCorrect == 1 && test.onlyFirst == 1)
    #expect(test.onlySecond == 1 && test.bothWrong == 1)
    #expect(throws: GroundingMetricsError.unpairedItem("d")) {
      try McNemarTest(Array(first[..<3]), second)
    }
    #expect(throws: GroundingMetricsError.unpairedItem("a")) {
      try McNemarTest(first, Array(second[..<3]))
    }
    #expect(throws: GroundingMetricsError.repeatedItem("a")) {
      try McNemarTest(first, second + [second[3]])
    }
  }

  @Test func decilesAreSortedByArea() {
    let outcomes = (0..<25).map { index in
      outcome("\(index)", index >= 12, side: Double(25 - index))
    }
    let metrics = GroundingMetrics(outcomes)
    let deciles = metrics.areaDeciles
    #expect(deciles.count == 10)
    #expect(deciles.map(\.accuracy.count) == [2, 3, 2, 3, 2, 3, 2, 3, 2, 3])
    expectClose([deciles[0].smallest, deciles[0].largest], [1e-4, 4e-4], absolute: 1e-12)
    expectClose([deciles[9].largest], [0.0625], absolute: 1e-12)
    #expect(deciles[0].accuracy.correct == 2 && deciles[9].accuracy.correct == 0)
    #expect(GroundingMetrics(outcomes.shuffled()) == metrics)
    #expect(GroundingMetrics(Array(outcomes[..<3])).areaDeciles.count == 3)
    #expect(GroundingMetrics([]).areaDeciles.isEmpty)
  }

  @Test func attributesAreCounted() {
    var outcomes = [outcome("a", true), outcome("b", false), outcome("c", true)]
    outcomes[0].platform = "web"
    outcomes[0].dataType = "text"
    outcomes[1].platform = "web"
    outcomes[1].dataType = "icon"
    outcomes[1].kind = "link"
    outcomes[1].ordinal = 0
    outcomes[2].application = "mail"
    outcomes[2].group = "Office"
    var vague = item("d")
    vague.target = GroundingTarget(point: GroundingPoint(x: 1, y: 1))
    outcomes.append(GroundingOutcome(vague, point: GroundingPoint(x: 1, y: 1)))
    outcomes.append(GroundingOutcome(item("e"), failure: "no server"))
    outcomes.append(GroundingOutcome(item("f"), point: nil))
    let metrics = GroundingMetrics(outcomes)
    #expect(metrics.itemCount == 6 && metrics.overall.all.count == 5)
    #expect(metrics.overall.all.correct == 2 && metrics.unscorableCount == 1)
    #expect(metrics.failureCount == 1 && metrics.wrongFormatCount == 1)
    #expect(metrics.byPlatform["web"]?.all.count == 2)
    #expect(metrics.byPlatform["web"]?.byType["icon"]?.correct == 0)
    #expect(metrics.byKind["link"]?.all.count == 1 && metrics.byRank["ranked"]?.all.count == 1)
    #expect(metrics.byApplication["mail"]?.all.correct == 1)
    #expect(metrics.byGroup["Office"]?.all.correct == 1)
    #expect(metrics.cellMean == 0.5)
    let text = metrics.markdown
    for line in ["| all | 5 | 2 | 40.0 % |", "| web | 2 | 50.0 % |", "Failed: 1", "| Office |"] {
      #expect(text.contains(line), "\(line)")
    }
  }
}
