import Checkpoints
import Testing

@testable import GUIGroundingRender

/// Reports add up what scripts of pages and journals say: no number may be one that cannot be added.
@Suite struct ImpossibleCountTests {
  private static let impossible: [JSONValue] = [.integer(.max), .integer(.min), -1, 0.5, "1", nil]

  @Test(arguments: impossible) func countsOfAScript(value: JSONValue) throws {
    let page: JSONValue = [
      "width": 8, "height": 6, "elements": [], "skipped": ["small": value, "hidden": 2],
    ]
    let extract = try PageExtract(.string(page.serialized()))
    #expect(extract.rejected == ["small": 0, "hidden": 2])
  }

  @Test(arguments: impossible) func countsOfAJournal(value: JSONValue) throws {
    let shot: JSONValue = [
      "image": "i.png", "rows": [], "found": value, "ambiguous": value, "moved": value,
      "rejected": ["small": value], "names": ["text": value],
    ]
    let line: JSONValue = ["set": "s", "page": "p", "sparse": value, "shots": [shot]]
    let record = try #require(PageRecord(line))
    #expect(record.sparseShots == 0)
    #expect(record.shots[0].foundCount == 0 && record.shots[0].ambiguousCount == 0)
    #expect(record.shots[0].movedCount == 0)
    #expect(record.shots[0].rejected == ["small": 0] && record.shots[0].nameSources == ["text": 0])
  }
}
