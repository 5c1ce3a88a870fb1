import Checkpoints
import Foundation
import GUIGrounding
import ImageFiles
import Testing

@testable import GUIGroundingRemote

@Suite struct CalibrationTests {
  /// A model that sees: it finds the coloured square in the picture that it gets, and writes its
  /// centre its own way.
  private struct Eye: Sendable {
    var write: @Sendable (GroundingPoint, PixelSize) -> String

    func answer(_ request: MockServer.Request) throws -> String {
      let parts = request.json["messages"]?[0]?["content"]
      let url = parts?[0]?["image_url"]?["url"]?.stringValue ?? ""
      let data = try #require(Data(base64Encoded: String(url.dropFirst(22))))
      let image = RGBImage(try DecodedImage(bytes: Array(data)))
      let text = parts?[1]?["text"]?.stringValue ?? ""
      let colors = [
        "red": RGBColor(214, 48, 49), "green": RGBColor(39, 174, 96), "blue": RGBColor(41, 98, 214),
        "yellow": RGBColor(241, 196, 15), "black": RGBColor(30, 30, 30),
      ]
      let color = try #require(colors.first { text.contains("the \($0.key) square") }?.value)
      var (x, y, count) = (0.0, 0.0, 0.0)
      for row in stride(from: 0, to: image.size.height, by: 4) {
        for column in stride(from: 0, to: image.size.width, by: 4)
        where image[x: column, y: row] == color {
          (x, y, count) = (x + Double(column), y + Double(row), count + 1)
        }
      }
      try #require(count > 0)
      return write(GroundingPoint(x: x / count, y: y / count), image.size)
    }
  }

  private func report(
    _ write: @escaping @Sendable (GroundingPoint, PixelSize) -> String,
    resize: ResizeRule = .qwen25VL,
    space: CoordinateSpace = .inputPixels
  ) async throws -> (CalibrationReport, RemoteGroundingPolicy) {
    let eye = Eye(write: write)
    let server = try MockServer { request, _ in
      [.answers([(try? eye.answer(request)) ?? "I see nothing"])]
    }
    defer { server.stop() }
    let family = ModelFamily(
      "test",
      template: .plainPoint,
      coordinates: CoordinateConvention(space),
      resize: resize
    )
    let policy = try Scene.policy(server, family: family)
    return (try await policy.calibrate(), policy)
  }

  private static let conventions = CoordinateSpace.allCases.flatMap { space in
    CoordinateOrder.allCases.map { CoordinateConvention(space, order: $0) }
  }

  @Test(arguments: conventions) func findsEveryConvention(
    _ convention: CoordinateConvention
  ) async throws {
    let (report, policy) = try await report { point, size in
      let written = convention.written(point, view: size, source: size)
      return "(\(written.x), \(written.y))"
    }
    #expect(report.verdict == .clear)
    #expect(report.supports(convention))
    #expect(report.hypotheses[0].hits == 15)
    // 0–1000 and 0–999 are a tenth of a percent apart, no more than that is confounded.
    #expect(report.hypotheses[0].meanError < 0.003)
    let isOther = Self.conventions.filter { report.supports($0) }
    #expect(isOther.count <= 2 && report.answers.count == 15)
    #expect(policy.tally.requests == 15)
  }

  @Test func severalRulesOfSizesAreTold() async throws {
    for rule in [ResizeRule.none, .qwen3VL, .guiR1] {
      let (report, _) = try await report(
        { point, _ in "(\(point.x), \(point.y))" },
        resize: rule
      )
      #expect(report.convention == CoordinateConvention(.inputPixels))
    }
  }

  /// A server that shrinks pictures by itself, when the client does not: numbers fit no convention,
  /// and a straight line tells the size that it uses.
  @Test func resizingServersAreFoundOut() async throws {
    let (report, _) = try await report(
      { point, size in
        let width = 600.0
        let height = (width * Double(size.height) / Double(size.width)).rounded()
        return "(\(point.x * width / Double(size.width)), \(point.y * height / Double(size.height)))"
      },
      resize: .none
    )
    #expect(report.verdict == .resized && report.convention == nil)
    #expect(report.fits.count == 3)
    for fit in report.fits {
      #expect(abs(fit.extent.x - 600) < 6 && abs(fit.origin.x) < 3 && abs(fit.origin.y) < 3)
    }
  }

  /// Bars that a server puts around show as a shifted origin.
  @Test func letterboxesAreFoundOut() async throws {
    let (report, _) = try await report(
      { point, size in
        let side = 640.0
        let scale = side / Double(size.longerSide)
        let x = point.x * scale + (side - Double(size.width) * scale) / 2
        let y = point.y * scale + (side - Double(size.height) * scale) / 2
        return "(\(x), \(y))"
      },
      resize: .none
    )
    #expect(report.verdict == .resized)
    let wide = report.fits[0]
    let bar = (640 - 640 * Double(wide.sent.height) / Double(wide.sent.width)) / 2
    #expect(abs(wide.origin.y - bar) < 4)
  }

  @Test func nonsenseIsNotExplained() async throws {
    let (silent, _) = try await report { _, _ in "I cannot see the picture." }
    #expect(silent.verdict == .unanswered && silent.convention == nil)
    let (wild, _) = try await report { point, size in
      "(\((point.x * 7919).truncatingRemainder(dividingBy: Double(size.width))), 3)"
    }
    #expect(wild.verdict == .unexplained)
  }

  @Test func reportsSurviveJSON() throws {
    let report = CalibrationReport([
      CalibrationAnswer(
        size: PixelSize(width: 10, height: 10),
        instruction: "x",
        box: GroundingBox(x0: 0, y0: 0, x1: 1, y1: 1),
        text: "",
        written: GroundingPoint(x: 1e308, y: -1e308)
      )
    ])
    let data = try JSONEncoder().encode(report)
    #expect(try JSONDecoder().decode(CalibrationReport.self, from: data) == report)
    #expect(CalibrationReport([]).verdict == .unanswered)
  }

  /// No two conventions agree on more than a few squares: the pages can tell them apart.
  @Test func pagesTellConventionsApart() throws {
    for page in try CalibrationPage.pages(.none) {
      for (index, square) in page.squares.enumerated() {
        #expect(square.box.x0 >= 0 && square.box.y1 <= Double(page.image.size.height))
        for other in page.squares.dropFirst(index + 1) {
          #expect(square.box.intersection(other.box) == nil)
        }
      }
    }
  }
}
