import Foundation
public import Tensor

/// A page of coloured shapes with one that an instruction names: a task whose answer is known.
///
///     let page = SyntheticPage(index: 7, seed: 1)
///     page.instruction.text          // click the green cross
///     page.box                       // its square
///
/// A page has a light background, perhaps a header strip, grey bars like lines of text, and five to
/// nine elements that keep their distance. The target is an element whose colour and shape together
/// are unique. Seen at a third of its size a small ring cannot be told from a circle: looking closer
/// has something to win.
///
/// Everything comes from `Philox(seed:).fork(index)`: a page is a function of its seed and index.
public struct SyntheticPage: Sendable {
  /// An element of a page.
  public struct Element: Hashable, Codable, Sendable {
    /// The colour.
    public var color: SyntheticColor
    /// The shape.
    public var shape: SyntheticShape
    /// The left edge in pixels.
    public var x: Int
    /// The upper edge in pixels.
    public var y: Int
    /// The side in pixels.
    public var side: Int

    /// The square of the element.
    public var box: GroundingBox {
      GroundingBox(x0: Double(x), y0: Double(y), x1: Double(x + side), y1: Double(y + side))
    }
  }

  /// The pixels.
  public let image: RGBImage
  /// All elements.
  public let elements: [Element]
  /// Which of the elements is asked for.
  public let targetIndex: Int

  /// The element that is asked for.
  public var target: Element { elements[targetIndex] }
  /// What is asked for.
  public var instruction: SyntheticInstruction {
    SyntheticInstruction(color: target.color, shape: target.shape)
  }
  /// The square of the element that is asked for.
  public var box: GroundingBox { target.box }

  /// Page `index` of a seed.
  public init(
    index: Int,
    seed: UInt64,
    options: SyntheticPageOptions = SyntheticPageOptions()
  ) {
    var generator = Philox(seed: seed).fork(index)
    self.init(options, using: &generator)
  }

  /// A page from a generator; pages without an element that is unique are drawn again.
  public init(_ options: SyntheticPageOptions, using generator: inout Philox) {
    let flaw = options.flaw
    expect(flaw == nil, "synthetic page: \(flaw ?? "")")
    while true {
      var canvas = PageCanvas(side: options.side, using: &generator)
      let elements = Self.elements(options, &generator)
      let unique = elements.indices.filter { index in
        elements.filter {
          $0.color == elements[index].color && $0.shape == elements[index].shape
        }.count == 1
      }
      guard !unique.isEmpty else { continue }
      for element in elements { canvas.draw(element) }
      image = RGBImage(
        size: PixelSize(width: options.side, height: options.side),
        pixels: canvas.pixels
      )
      self.elements = elements
      targetIndex = unique[generator.integer(below: unique.count)]
      return
    }
  }

  private static func elements(
    _ options: SyntheticPageOptions,
    _ generator: inout Philox
  ) -> [Element] {
    var elements: [Element] = []
    for _ in 0..<generator.integer(in: options.elementCount) {
      for _ in 0..<options.tries {
        let side = side(options.elementSide, &generator)
        let x = generator.integer(in: 1...options.side - side - 1)
        let y = generator.integer(in: 1...options.side - side - 1)
        let isFree = elements.allSatisfy {
          x > $0.x + $0.side + options.gap || x + side + options.gap < $0.x
            || y > $0.y + $0.side + options.gap || y + side + options.gap < $0.y
        }
        guard isFree else { continue }
        let shape = SyntheticShape.allCases[generator.integer(below: 5)]
        let color = SyntheticColor.allCases[generator.integer(below: 6)]
        elements.append(Element(color: color, shape: shape, x: x, y: y, side: side))
        break
      }
    }
    return elements
  }

  /// ⌊a · (b / a)ᵘ⌋ with u from U(0, 1).
  private static func side(_ range: ClosedRange<Int>, _ generator: inout Philox) -> Int {
    let (low, high) = (Double(range.lowerBound), Double(range.upperBound))
    return Int(low * pow(high / low, Double(generator.uniform())))
  }
}

/// The pixels of a page while it is drawn.
private struct PageCanvas {
  let side: Int
  var pixels: [UInt8]

  /// Background, header strip and bars of text.
  init(side: Int, using generator: inout Philox) {
    self.side = side
    let background = Self.color(225...255, &generator)
    pixels = [UInt8](unsafeUninitializedCapacity: side * side * 3) { target, count in
      count = side * side * 3
      for start in stride(from: 0, to: count, by: 3) {
        target[start] = background.red
        target[start + 1] = background.green
        target[start + 2] = background.blue
      }
    }
    if generator.uniform() < 0.6 {
      let height = generator.integer(in: 8...20)
      let color = Self.color(170...225, &generator)
      for row in 0..<height { fill(row, 0..<side, color) }
    }
    for _ in 0..<generator.integer(in: 3...8) {
      let x = generator.integer(in: 0...side - 40)
      let y = generator.integer(in: 0...side - 4)
      let end = min(side, x + generator.integer(in: 15...60) + 1)
      for row in y..<y + 3 { fill(row, x..<end, RGBColor(165, 165, 170)) }
    }
  }

  private static func color(
    _ range: ClosedRange<Int>,
    _ generator: inout Philox
  ) -> RGBColor {
    let red = UInt8(generator.integer(in: range))
    let green = UInt8(generator.integer(in: range))
    return RGBColor(red, green, UInt8(generator.integer(in: range)))
  }

  mutating func draw(_ element: SyntheticPage.Element) {
    for row in 0..<element.side {
      let (first, second) = element.shape.columns(inRow: row, side: element.side)
      for run in [first, second] where !run.isEmpty {
        let columns = element.x + run.lowerBound..<element.x + run.upperBound
        fill(element.y + row, columns, element.color.rgb)
      }
    }
  }

  private mutating func fill(_ row: Int, _ columns: Range<Int>, _ color: RGBColor) {
    let first = (row * side + columns.lowerBound) * 3
    pixels.withUnsafeMutableBufferPointer { pixels in
      for start in stride(from: first, to: first + columns.count * 3, by: 3) {
        pixels[start] = color.red
        pixels[start + 1] = color.green
        pixels[start + 2] = color.blue
      }
    }
  }
}

extension Philox {
  /// A whole number drawn evenly from a range.
  mutating func integer(in range: ClosedRange<Int>) -> Int {
    range.lowerBound + integer(below: range.upperBound - range.lowerBound + 1)
  }
}
