import Foundation
import GUIGrounding
import TestSupport
import Testing

@testable import GUIGroundingRender

/// What the script accepts, rejects and measures, on pages whose places are known.
@Suite(
  .serialized,
  .enabled(if: Pages.hasBrowser, "\(Pages.skipMessage)"),
  .timeLimit(.minutes(10))
)
struct ExtractionTests {
  private func sides(_ box: GroundingBox) -> [Double] { [box.x0, box.y0, box.x1, box.y1] }

  /// Elements that are placed by numbers lie where the numbers say, to a hundredth of a pixel.
  @Test func placedElementsAreMeasuredExactly() async throws {
    let places: [(String, String, Double, Double, Double, Double)] = [
      ("link", "a", 10, 12, 80, 20), ("button", "b", 120.25, 30.5, 64.75, 24.25),
      ("textbox", "c", 300, 100.75, 150.5, 22), ("checkbox", "d", 20.5, 200.25, 13, 13),
      ("dropdown", "e", 320, 300, 100, 25.5), ("slider", "f", 500, 440, 120, 16),
      ("radio", "g", 0, 0, 12, 12), ("tab", "h", 560, 0, 80, 30),
    ]
    let body = places.map { kind, name, x, y, width, height in
      let style = "style=\"\(Pages.at(x, y, width, height))\" aria-label=\"\(name)\""
      return switch kind {
      case "link": "<a href=\"#\" \(style)>text</a>"
      case "button": "<button \(style)>b</button>"
      case "textbox": "<input \(style)>"
      case "dropdown": "<select \(style)><option>x</option></select>"
      case "slider": "<input type=range \(style)>"
      case "tab": "<div role=tab \(style)>x</div>"
      default: "<input type=\(kind) \(style)>"
      }
    }.joined()
    let extract = try await Pages.extract(body)
    #expect(extract.size == Pages.size)
    #expect(extract.elements.count == places.count)
    for (kind, name, x, y, width, height) in places {
      let element = try #require(extract.elements.first { $0.name == name })
      #expect(element.kind == kind)
      expectClose(sides(element.bounds), [x, y, x + width, y + height], absolute: 0.01)
      #expect(element.boxes.first == element.bounds)
    }
  }

  @Test func scrollingMovesTheBoxes() async throws {
    let body = """
      <div style="height:2000px"></div>
      <a href="#" style="\(Pages.at(30, 900.5, 100, 20))">Here</a>
      """
    let extract = try await Pages.extract(body, scrolledTo: 700)
    #expect(extract.scrollOffset == 700)
    let element = try #require(extract.elements.first)
    expectClose(sides(element.bounds), [30, 200.5, 130, 220.5], absolute: 0.01)
  }

  @Test func whatCannotBeClickedIsRejected() async throws {
    func link(_ name: String, _ x: Double, _ y: Double, _ more: String = "") -> String {
      "<a href=\"#\" style=\"\(Pages.at(x, y, 60, 20));\(more)\">\(name)</a>"
    }
    let body = [
      link("kept", 10, 10), link("unseen", 10, 40, "visibility:hidden"),
      link("gone", 10, 70, "display:none"), link("clear", 10, 100, "opacity:0.05"),
      "<div style=\"opacity:0.2\">" + link("faint", 10, 130, "opacity:0.3") + "</div>",
      link("inactive", 10, 160, "pointer-events:none"), link("cut", 600, 10),
      link("outside", 10, 2000), link("covered", 10, 190),
      "<div style=\"\(Pages.at(10, 190, 60, 20));background:red\"></div>",
      "<button disabled style=\"\(Pages.at(200, 10, 60, 20))\">off</button>",
      "<fieldset disabled style=\"border:0;margin:0;padding:0\">",
      "<button style=\"\(Pages.at(200, 40, 60, 20))\">field</button></fieldset>",
      "<a href=\"#\" style=\"\(Pages.at(200, 70, 5, 5))\">tiny</a>",
      "<a href=\"#\" style=\"\(Pages.at(200, 100, 60, 20))\"></a>",
      link(String(repeating: "long ", count: 20), 200, 130),
      "<input type=hidden value=x>",
    ].joined()
    let extract = try await Pages.extract(body)
    #expect(extract.elements.map(\.name) == ["kept"])
    let expected = [
      "hidden": 3, "inactive": 1, "cut": 1, "covered": 1, "disabled": 2, "tiny": 1, "unnamed": 1,
      "long": 1,
    ]
    for (reason, count) in expected { #expect(extract.rejected[reason] == count, "\(reason)") }
    // Whoever sees the page sees these too: an equal name would be ambiguous.
    let others = Set(extract.otherLabels.map(\.name))
    #expect(others.isSuperset(of: ["inactive", "cut", "covered", "off", "field", "tiny"]))
    #expect(!others.contains("unseen") && !others.contains("gone") && !others.contains("outside"))
  }

  @Test func hugeElementsAreRejected() async throws {
    let body = "<a href=\"#\" style=\"\(Pages.at(0, 0, 640, 130))\">big</a>"
    let extract = try await Pages.extract(body)
    #expect(extract.elements.isEmpty && extract.rejected["huge"] == 1)
  }

  @Test func namesComeFromTheBestPlace() async throws {
    func spot(_ index: Int) -> String { Pages.at(10, Double(10 + 30 * index), 120, 20) }
    let body = """
      <span id=one style="\(Pages.at(300, 10, 90, 20))">First</span>
      <button style="\(spot(0))" aria-labelledby=one aria-label=x>y</button>
      <button style="\(spot(1))" aria-label="Close   the\nwindow">×</button>
      <label style="\(Pages.at(300, 70, 90, 20))" for=i>Full name</label>
      <input id=i style="\(spot(2))" placeholder=p>
      <input type=submit style="\(spot(3))">
      <a href="#" style="\(spot(4))">Some <b>bold</b> text¶</a>
      <a href="#" style="\(spot(5))"><img alt="A picture" width=20 height=16
        src="data:image/gif;base64,R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7"></a>
      <input style="\(spot(6))" placeholder="Search here">
      <a href="#" style="\(spot(7))" title="Only a title"></a>
      <input style="\(spot(8))" name=field>
      <button style="\(spot(9))"><svg width=10 height=10><title>Drawn</title></svg></button>
      <button style="\(spot(10))"><span style="position:absolute;width:1px;height:1px;
        overflow:hidden;clip:rect(0,0,0,0)">Spoken only</span></button>
      """
    let extract = try await Pages.extract(body)
    let found = extract.elements.map { "\($0.name)|\($0.nameSource)|\($0.dataType)" }
    #expect(
      found == [
        "First|labelledby|icon", "Close the window|aria-label|icon", "Full name|label|widget",
        "Submit|text|text", "Some bold text|text|text", "A picture|alt|icon",
        "Search here|placeholder|widget", "Only a title|title|icon", "field|name|widget",
        "Drawn|alt|icon", "Spoken only|text|icon",
      ]
    )
  }

  @Test func brokenLinksHaveSeveralBoxes() async throws {
    let body = """
      <div style="width:200px;margin:20px"><a href="#">A rather long link that is broken over \
      several lines</a></div>
      """
    let element = try #require(try await Pages.extract(body).elements.first)
    #expect(element.boxes.count >= 2)
    for (index, box) in element.boxes.enumerated() {
      #expect(box.x0 >= 20 && box.x1 <= 220.01 && box.height < 30)
      for other in element.boxes.dropFirst(index + 1) {
        #expect(!box.contains(other) && !other.contains(box))
      }
    }
    #expect(element.boxes.map(\.area).max() == element.bounds.area)
  }

  @Test func boxesThatAreCutOffAreNone() async throws {
    let body = """
      <button style="\(Pages.at(10, 10, 60, 20))">Go
        <span style="position:absolute;left:100px;top:100px;width:50px;height:20px">x</span>
      </button>
      """
    let element = try #require(try await Pages.extract(body).elements.first)
    #expect(element.boxes == [element.bounds])
  }

  /// A box that is too narrow for its text cuts it off, though most of the link can be hit.
  @Test func whatAnAncestorCutsIsRejected() async throws {
    func box(_ x: Double, _ inner: String) -> String {
      "<div style=\"\(Pages.at(x, 20, 100, 60))\">\(inner)</div>"
    }
    let wide = "<a href=\"#\" style=\"position:absolute;left:0;top:0;width:110px;height:20px\">"
    let body = [
      box(10, wide + "wide</a>"), box(200, wide.replacing("110px", with: "90px") + "fits</a>"),
      // A frame that is not placed does not cut what is placed.
      "<div style=\"overflow:hidden;width:50px;height:20px\">"
        + "<a href=\"#\" style=\"\(Pages.at(400, 200, 100, 20))\">free</a></div>",
    ].joined()
    let extract = try await Pages.extract(body)
    #expect(extract.elements.map(\.name) == ["fits", "free"])
    #expect(extract.rejected["cut"] == 1 && extract.otherLabels.map(\.name) == ["wide"])
  }

  @Test func openShadowTreesAreSearched() async throws {
    let body = """
      <div id=host></div><script>
      const root = document.getElementById('host').attachShadow({mode: 'open'});
      root.innerHTML = '<button style="\(Pages.at(50, 60, 70, 20))">Inside</button>';
      </script>
      """
    let element = try #require(try await Pages.extract(body).elements.first)
    #expect(element.name == "Inside")
    expectClose(sides(element.bounds), [50, 60, 120, 80], absolute: 0.01)
  }

  @Test func rolesOfBooksAreLinks() async throws {
    let body = "<p><a href=\"#\" role=doc-backlink>back</a> <a href=\"#\" role=none>none</a></p>"
    let extract = try await Pages.extract(body)
    #expect(extract.elements.map(\.kind) == ["link", "link"])
  }

  @Test func regionsAreLandmarks() async throws {
    let body = """
      <nav><a href="#">one</a></nav><div role=banner><a href="#">two</a></div>
      <main><form><button>three</button></form></main><a href="#">four</a>
      """
    let extract = try await Pages.extract(body)
    #expect(extract.elements.map(\.region) == ["navigation", "header", "form", ""])
  }

  @Test func labelsOfFieldsCountAsThem() async throws {
    let body = """
      <label style="position:absolute;left:10px;top:10px">
      <input type=checkbox style="margin:0;pointer-events:auto"> Remember me</label>
      """
    let extract = try await Pages.extract(body)
    let element = try #require(extract.elements.first)
    #expect(element.kind == "checkbox" && element.name == "Remember me")
    #expect(element.dataType == "icon")
  }
}
