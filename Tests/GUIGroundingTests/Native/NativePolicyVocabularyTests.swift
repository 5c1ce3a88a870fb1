import GUIGrounding
import Testing

@Suite struct NativePolicyVocabularyTests {
  private let red = SyntheticInstruction(color: .red, shape: .ring)

  @Test func countsAreThoseOfTheLayout() {
    let vocabulary = GroundingVocabulary()
    #expect(vocabulary.count == 65)
    #expect(vocabulary.responseLength == 11)
    #expect(GroundingVocabulary(thinking: .places).responseLength == 9)
    #expect(GroundingVocabulary(thinking: .none).responseLength == 5)
    #expect(GroundingVocabulary(binCount: 64).count == 97)
  }

  @Test func aResponseNamesThePlaceFromCoarseToFine() {
    // x = 0.60: column ⌊2.4⌋ of four, then ⌊9.6⌋ mod 4 = 1; y = 0.30: row 1, then ⌊4.8⌋ mod 4 = 0.
    let tokens = GroundingVocabulary().response(x: 0.6, y: 0.3, instruction: red)
    let first = GroundingVocabulary.firstPlace
    let bin = GroundingVocabulary.firstBin
    #expect(tokens == [1, 6, 16, first + 6, first + 1, 2, 3, bin + 19, bin + 9, 4, 5])
    #expect(
      GroundingVocabulary().text(tokens, width: 64, height: 32)
        == "<think>red ring, row 2 column 3, then row 1 column 2</think><answer>(39, 9.5)</answer>"
    )
  }

  @Test(arguments: NativeThinking.allCases)
  func pointsComeBackWithinHalfABin(_ thinking: NativeThinking) throws {
    let vocabulary = GroundingVocabulary(thinking: thinking)
    for step in 0..<200 {
      let (x, y) = (Double(step) / 199, Double((step * 37) % 200) / 199)
      let tokens = vocabulary.response(x: x, y: y, instruction: red)
      #expect(tokens.count == vocabulary.responseLength)
      #expect(vocabulary.isWellFormed(tokens))
      let point = try #require(vocabulary.point(tokens))
      #expect(abs(point.x - x) <= 1.0 / 64 + 1e-9 && abs(point.y - y) <= 1.0 / 64 + 1e-9)
    }
  }

  @Test(arguments: NativeThinking.allCases)
  func theTextIsReadAsTheSamePoint(_ thinking: NativeThinking) throws {
    let vocabulary = GroundingVocabulary(thinking: thinking)
    let tokens = vocabulary.response(x: 0.17, y: 0.83, instruction: red)
    let point = try #require(vocabulary.point(tokens))
    let parsed = AnswerParser().parse(vocabulary.text(tokens, width: 200, height: 100))
    #expect(parsed.point == GroundingPoint(x: point.x * 200, y: point.y * 100))
    #expect(parsed.formatOK == (thinking != .none))
  }

  @Test func everyTokenOutOfPlaceSpoilsTheForm() {
    let vocabulary = GroundingVocabulary()
    let tokens = vocabulary.response(x: 0.5, y: 0.5, instruction: red)
    for place in tokens.indices {
      var broken = tokens
      broken[place] = 0
      #expect(!vocabulary.isWellFormed(broken), "\(place)")
      // Without its thinking a response still has a point.
      #expect((vocabulary.point(broken) != nil) == (place < 6), "\(place)")
    }
    #expect(!vocabulary.isWellFormed(tokens.dropLast()))
    var words = tokens
    words.swapAt(1, 3)
    #expect(vocabulary.isWellFormed(words))
  }
}
