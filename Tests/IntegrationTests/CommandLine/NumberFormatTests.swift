import Support
import Testing

@Suite struct NumberFormatTests {
  @Test func numbersAreGrouped() {
    #expect(0.grouped == "0" && 999.grouped == "999" && 1000.grouped == "1,000")
    #expect(134_515_008.grouped == "134,515,008" && (-1234).grouped == "-1,234")
    #expect(1.counted("layer") == "1 layer" && 2.counted("layer") == "2 layers")
    #expect(Int.min.grouped == "-9,223,372,036,854,775,808")
  }

  @Test(arguments: [
    (0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (98_362_432, "98.4 MB"), (999_949, "999.9 kB"),
    (999_950, "1.0 MB"), (2_500_000_000, "2.5 GB"),
  ])
  func bytesAreDecimal(bytes: Int, text: String) {
    #expect(byteCount(bytes) == text)
  }

  @Test func countsHaveAPrefix() {
    #expect(shortCount(512) == "512")
    #expect(shortCount(134_515_008) == "134.5 M")
    #expect(shortCount(7_000_000_000) == "7.0 G")
  }

  @Test(arguments: [
    (0.0001, "0.10 ms"), (0.0031, "3 ms"), (0.42, "0.42 s"), (12.34, "12.3 s"), (59.9, "59.9 s"),
    (60, "1:00 min"), (245, "4:05 min"), (3723, "1:02:03 h"), (.infinity, "—"), (-1, "—"),
  ])
  func durationsChooseTheirUnit(seconds: Double, text: String) {
    #expect(durationText(seconds) == text)
  }

  @Test func whatIsNoNumberIsADash() throws {
    #expect(Double.nan.fixed(3) == "—" && Double.infinity.signed(3) == "—")
    #expect(27.6139.fixed(3) == "27.614" && 0.5.signed(2) == "+0.50")
    #expect(try jsonText([ReportNumber(1.5), ReportNumber(Double.nan)]).contains("null"))
  }
}
