import Support
import Testing

@Suite struct MeanAndDeviationTests {
  /// m = (1 + 2 + 6) / 3 = 3, s² = (4 + 1 + 9) / 2 = 7.
  @Test func deviationsAreThoseOfASample() throws {
    let found = try #require(MeanAndDeviation([1, 2, 6]))
    #expect(found.mean == 3 && found.deviation == 7.0.squareRoot())
    #expect(found.text(2) == "3.00 ± 2.65")
  }

  @Test func oneValueSaysNothingOfOthers() throws {
    let found = try #require(MeanAndDeviation([2.5]))
    #expect(found.mean == 2.5 && found.deviation == nil)
    #expect(found.text(1) == "2.5")
    #expect(try !jsonText(found).contains("deviation"))
  }

  @Test func noValuesHaveNoMean() {
    #expect(MeanAndDeviation([]) == nil)
  }
}
