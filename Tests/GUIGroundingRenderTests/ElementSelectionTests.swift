import GUIGrounding
import Tensor
import Testing

@testable import GUIGroundingRender

@Suite struct ElementSelectionTests {
  private func element(_ kind: String, _ name: String, x: Double, y: Double) -> PageElement {
    let box = GroundingBox(x0: x, y0: y, x1: x + 20, y1: y + 10)
    return PageElement(
      kind: kind,
      name: name,
      nameSource: "text",
      isNameDrawn: true,
      bounds: box,
      boxes: [box],
      region: ""
    )
  }

  private func extract(
    _ elements: [PageElement],
    others: Set<ElementLabel> = []
  ) -> PageExtract {
    PageExtract(
      size: PixelSize(width: 640, height: 480),
      scrollOffset: 0,
      title: "",
      path: "",
      frameCount: 0,
      rejected: [:],
      otherLabels: others,
      elements: elements
    )
  }

  private func select(_ extract: PageExtract, limit: Int = 24) -> ([NamedElement], Int) {
    var generator = Philox(seed: 3)
    return ElementSelection.select(from: extract, limit: limit, using: &generator)
  }

  @Test func equalElementsAreCountedFromTheTop() {
    let (kept, ambiguous) = select(
      extract([
        element("link", "Edit", x: 300, y: 50), element("link", "Edit", x: 10, y: 50),
        element("link", "Edit", x: 0, y: 20), element("button", "Edit", x: 0, y: 90),
      ])
    )
    #expect(ambiguous == 0)
    let ranks = Dictionary(
      uniqueKeysWithValues: kept.map { ("\($0.element.kind) \($0.element.bounds.x0)", $0.ordinal) }
    )
    #expect(ranks == ["link 0.0": 0, "link 10.0": 1, "link 300.0": 2, "button 0.0": nil])
  }

  @Test func moreThanThreeEqualOnesAreLeftOut() {
    let edits = (0..<4).map { element("link", "Edit", x: 0, y: Double(20 * $0)) }
    let (kept, ambiguous) = select(extract(edits + [element("link", "Save", x: 0, y: 200)]))
    #expect(kept.map(\.element.name) == ["Save"] && ambiguous == 4)
  }

  @Test func namesOfHalfHiddenElementsAreLeftOut() {
    let label = ElementLabel(kind: "link", name: "Edit")
    let all = [element("link", "Edit", x: 0, y: 0), element("button", "Edit", x: 0, y: 50)]
    let (kept, ambiguous) = select(extract(all, others: [label]))
    #expect(kept.map(\.element.kind) == ["button"] && ambiguous == 1)
  }

  @Test func equalPlacesHaveNoOrder() {
    let all = [element("link", "A", x: 0, y: 0), element("link", "A", x: 0, y: 0)]
    #expect(select(extract(all)).0.isEmpty)
  }

  @Test func theDrawDependsOnTheGeneratorAlone() {
    let all = extract((0..<40).map { element("link", "L\($0)", x: 0, y: Double(10 * $0)) })
    let (kept, _) = select(all, limit: 24)
    #expect(kept.count == 24 && Set(kept.map(\.element.name)).count == 24)
    #expect(kept == select(all, limit: 24).0)
    #expect(kept.map(\.element.name) != (0..<24).map { "L\($0)" })
  }

  @Test(arguments: [
    "link", "button", "textbox", "checkbox", "radio", "dropdown", "tab", "slider", "switch",
    "menuitem", "option", "color", "file", "element",
  ])
  func everyKindHasPhrases(_ kind: String) {
    var generator = Philox(seed: 1)
    let named = NamedElement(element: element(kind, "Some name", x: 0, y: 0), ordinal: nil)
    for _ in 0..<20 {
      let text = InstructionPhrases.instruction(for: named, using: &generator)
      #expect(text.contains("Some name"))
    }
    let second = NamedElement(element: element(kind, "N", x: 0, y: 0), ordinal: 1)
    let text = InstructionPhrases.instruction(for: second, using: &generator)
    #expect(text.hasPrefix("click the second \"N\" ") && text.hasSuffix(" from the top"))
  }
}
