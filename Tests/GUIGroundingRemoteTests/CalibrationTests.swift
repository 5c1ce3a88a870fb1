import Checkpoints
import Foundation
import GUIGrounding
import ImageFiles
import Tensor
import TestSupport
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

  /// What a model that sees everything would answer, without server and pictures.
  private func report(
    resize: ResizeRule = .qwen25VL,
    _ write: (GroundingPoint, PixelSize) -> GroundingPoint?
  ) throws -> CalibrationReport {
    let answers = try CalibrationPage.pages(resize).flatMap { page in
      page.squares.map { square in
        let written = write(square.box.center, page.image.size)
        return CalibrationAnswer(
          size: page.image.size,
          instruction: square.instruction,
          box: square.box,
          text: written.map { "\($0)" } ?? "I cannot see the picture.",
          written: written
        )
      }
    }
    return CalibrationReport(answers)
  }

  private static let conventions = CoordinateSpace.allCases.flatMap { space in
    CoordinateOrder.allCases.map { CoordinateConvention(space, order: $0) }
  }

  /// Answers that scatter by a hundredth of the picture tell thousandths and 999ths apart by chance alone.
  @Test(arguments: 1...6) func scatteredThousandthsAreNo999ths(seed: UInt64) throws {
    var generator = Philox(seed: seed)
    let convention = CoordinateConvention(.thousand, order: .yx)
    let report = try report { point, size in
      let shift = Tensor<Float>.uniform([2], from: -0.01, to: 0.01, using: &generator).elements
      let moved = GroundingPoint(
        x: point.x + Double(shift[0]) * Double(size.width),
        y: point.y + Double(shift[1]) * Double(size.height)
      )
      return convention.written(moved, view: size, source: size)
    }
    #expect(report.verdict == .clear && report.convention == convention)
    #expect(report.equivalents == [CoordinateConvention(.nine99, order: .yx)])
  }

  /// The whole way: pictures, requests, a model that looks at them, replies, verdict.
  @Test func findsTheConventionOfAServer() async throws {
    let convention = CoordinateConvention(.thousand, order: .yx)
    let eye = Eye { point, size in
      let written = convention.written(point, view: size, source: size)
      return "(\(written.x), \(written.y))"
    }
    let server = try MockServer { request, _ in
      [.answers([(try? eye.answer(request)) ?? "I see nothing"])]
    }
    defer { server.stop() }
    let family = VisionModelFamily(
      "test",
      template: .plainPoint,
      coordinates: CoordinateConvention(.inputPixels),
      resize: .transformersDefault
    )
    let policy = try Scene.policy(server, family: family)
    var seen: [Int] = []
    let report = try await policy.calibrate { done, total in
      seen.append(done)
      #expect(total == 15)
    }
    #expect(seen == Array(1...15))
    // What looks every fourth pixel up cannot tell 1000 from 999.
    #expect(report.supports(convention) && report.hypotheses[0].hits == 15)
    #expect(policy.tally.requests == 15)
  }

  @Test(arguments: conventions) func findsEveryConvention(
    _ convention: CoordinateConvention
  ) throws {
    for rule in [ResizeRule.none, .qwen25VL, .qwen3VL, .guiR1] {
      let report = try report(resize: rule) { convention.written($0, view: $1, source: $1) }
      #expect(report.verdict == .clear)
      #expect(report.supports(convention))
      #expect(report.hypotheses[0].hits == 15)
      // 0–1000 and 0–999 are a tenth of a percent apart, no more than that is confounded.
      #expect(report.hypotheses[0].meanError < 0.003)
      #expect(Self.conventions.filter { report.supports($0) }.count <= 2)
    }
  }

  /// A server that shrinks pictures by itself, when the client does not: numbers fit no convention,
  /// and a straight line tells the size that it uses.
  @Test func resizingServersAreFoundOut() throws {
    let report = try report(resize: .none) { point, size in
      let scale = 600 / Double(size.width)
      return GroundingPoint(x: point.x * scale, y: point.y * scale)
    }
    #expect(report.verdict == .resized && report.convention == nil)
    #expect(report.fits.count == 3)
    for fit in report.fits {
      #expect(abs(fit.extent.x - 600) < 1e-6)
      #expect(abs(fit.origin.x) < 1e-6 && abs(fit.origin.y) < 1e-6)
    }
  }

  /// Bars that a server puts around show as a shifted origin.
  @Test func letterboxesAreFoundOut() throws {
    func bar(_ extent: Int, _ size: PixelSize) -> Double {
      (640 - 640 * Double(extent) / Double(size.longerSide)) / 2
    }
    let report = try report(resize: .none) { point, size in
      let scale = 640 / Double(size.longerSide)
      return GroundingPoint(
        x: point.x * scale + bar(size.width, size),
        y: point.y * scale + bar(size.height, size)
      )
    }
    #expect(report.verdict == .resized)
    for fit in report.fits {
      #expect(abs(fit.origin.x - bar(fit.sent.width, fit.sent)) < 1e-6)
      #expect(abs(fit.origin.y - bar(fit.sent.height, fit.sent)) < 1e-6)
    }
  }

  @Test func nonsenseIsNotExplained() throws {
    let silent = try report { _, _ in nil }
    #expect(silent.verdict == .unanswered && silent.convention == nil)
    let wild = try report { point, size in
      GroundingPoint(x: (point.x * 7919).truncatingRemainder(dividingBy: 600), y: 3)
    }
    #expect(wild.verdict == .unexplained)
    // Always the middle: no convention explains it, though it is a place.
    let middle = try report { _, size in
      GroundingPoint(x: Double(size.width) / 2, y: Double(size.height) / 2)
    }
    #expect(middle.verdict == .unexplained)
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
