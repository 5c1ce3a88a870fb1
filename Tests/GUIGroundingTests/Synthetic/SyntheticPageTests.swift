import GUIGrounding
import Tensor
import TestSupport
import Testing

@Suite struct SyntheticPageTests {
  @Test func pagesAreFunctionsOfSeedAndIndex() {
    let page = SyntheticPage(index: 7, seed: 3)
    let again = SyntheticPage(index: 7, seed: 3)
    #expect(page.image == again.image)
    #expect(page.elements == again.elements)
    #expect(page.targetIndex == again.targetIndex)
    #expect(page.image != SyntheticPage(index: 8, seed: 3).image)
    #expect(page.image != SyntheticPage(index: 7, seed: 4).image)
  }

  @Test func pagesKeepTheirPromises() {
    var counts: Set<Int> = []
    for index in 0..<300 {
      let page = SyntheticPage(index: index, seed: 1)
      let elements = page.elements
      counts.insert(elements.count)
      #expect((1...9).contains(elements.count))
      #expect(page.image.size == PixelSize(width: 192, height: 192))
      let equal = elements.filter {
        $0.color == page.target.color && $0.shape == page.target.shape
      }
      #expect(equal.count == 1)
      for (number, element) in elements.enumerated() {
        #expect((9...30).contains(element.side))
        #expect(element.x >= 1 && element.y >= 1)
        #expect(element.x + element.side < 192 && element.y + element.side < 192)
        for other in elements[..<number] { #expect(distance(element, other) > 2) }
      }
    }
    #expect(counts.isSuperset(of: 5...9))
  }

  /// The gap between two squares along the axis where it is larger.
  private func distance(_ a: SyntheticPage.Element, _ b: SyntheticPage.Element) -> Int {
    max(a.x - b.x - b.side, b.x - a.x - a.side, a.y - b.y - b.side, b.y - a.y - a.side)
  }

  @Test func everyColorAndShapeIsAskedForAboutAsOften() {
    var shapes: [SyntheticShape: Int] = [:]
    var colors: [SyntheticColor: Int] = [:]
    for index in 0..<3000 {
      let target = SyntheticPage(index: index, seed: 2).target
      shapes[target.shape, default: 0] += 1
      colors[target.color, default: 0] += 1
    }
    // 3000 draws: deviations are about 22 of 600 and 20 of 500; six of them are allowed.
    for shape in SyntheticShape.allCases { #expect(abs((shapes[shape] ?? 0) - 600) < 132) }
    for color in SyntheticColor.allCases { #expect(abs((colors[color] ?? 0) - 500) < 120) }
  }

  @Test func sidesAreEvenOnALogarithmicScale() {
    let sides = (0..<1500).flatMap { SyntheticPage(index: $0, seed: 5).elements.map(\.side) }
    // ⌊9 · (10/3)ᵘ⌋ < 16 for u < log(16/9) / log(10/3) = 0.478; the loss of places that are taken
    // makes small ones a little more frequent.
    let share = Double(sides.count { $0 < 16 }) / Double(sides.count)
    #expect(abs(share - 0.478) < 0.03)
  }

  @Test func shapesCoverWhatTheyMust() {
    for index in 0..<200 {
      let page = SyntheticPage(index: index, seed: 9)
      for element in page.elements {
        let color = element.color.rgb
        let center = page.image[x: element.x + element.side / 2, y: element.y + element.side / 2]
        let corner = page.image[x: element.x, y: element.y]
        let top = page.image[x: element.x + element.side / 2, y: element.y]
        switch element.shape {
        case .square: #expect(center == color && corner == color)
        case .circle, .triangle, .cross: #expect(center == color && corner != color)
        case .ring: #expect(center != color && corner != color && top == color)
        }
        #expect(page.image[x: element.x - 1, y: element.y] != color)
      }
    }
  }

  @Test func shapesHaveTheirAreas() {
    // Of a square of 30 pixels: π/4, a half, and 5/9; a ring of 6 pixels is π/4 · (1 − 0.6²).
    let expected: [SyntheticShape: Double] = [
      .square: 1, .circle: 0.785, .triangle: 0.5, .cross: 5.0 / 9, .ring: 0.503,
    ]
    var found: [SyntheticShape: Double] = [:]
    var options = SyntheticPageOptions(elementSide: 30...30)
    options.tries = 50
    for index in 0..<60 {
      let page = SyntheticPage(index: index, seed: 1, options: options)
      for element in page.elements {
        var count = 0
        for row in 0..<element.side {
          for column in 0..<element.side
          where page.image[x: element.x + column, y: element.y + row] == element.color.rgb {
            count += 1
          }
        }
        found[element.shape] = Double(count) / Double(element.side * element.side)
      }
    }
    for (shape, share) in expected { #expect(abs((found[shape] ?? 0) - share) < 0.02, "\(shape)") }
  }

  @Test func instructionsAreReadFromText() {
    let instruction = SyntheticInstruction(color: .red, shape: .ring)
    #expect(instruction.text == "click the red ring")
    #expect(SyntheticInstruction("Please click the RED ring!") == instruction)
    #expect(SyntheticInstruction("click the red") == nil)
    #expect(SyntheticInstruction("click the red blue ring") == nil)
    #expect(SyntheticInstruction("") == nil)
  }

  @Test func optionsSayWhatIsWrong() {
    #expect(SyntheticPageOptions().flaw == nil)
    #expect(SyntheticPageOptions(side: 32).flaw != nil)
    #expect(SyntheticPageOptions(elementCount: 0...3).flaw != nil)
    #expect(SyntheticPageOptions(elementSide: 9...100).flaw != nil)
  }

  @Test func theGlobalViewIsAMeanOfNinePixels() {
    let page = SyntheticPage(index: 1, seed: 1)
    let view = page.image.resized(to: PixelSize(width: 64, height: 64))
    for (x, y) in [(0, 0), (17, 40), (63, 63)] {
      var sum = 0
      for row in 0..<3 {
        for column in 0..<3 { sum += Int(page.image[x: 3 * x + column, y: 3 * y + row].green) }
      }
      #expect(abs(Double(view[x: x, y: y].green) - Double(sum) / 9) <= 0.5001)
    }
  }
}
