import Novelty
import Testing

@Suite struct AreaUnderCurveTests {
  @Test func tiesCountAHalf() {
    #expect(areaUnderROC(scores: [0, 1, 2, 3], isNovel: [false, false, true, true]) == 1)
    #expect(areaUnderROC(scores: [1, 1, 1, 1], isNovel: [false, true, false, true]) == 0.5)
    #expect(areaUnderROC(scores: [0, 1, 1, 2], isNovel: [false, false, true, true]) == 0.875)
    #expect(areaUnderROC(scores: [1, 2], isNovel: [true, true]) == nil)
  }
}
