import GUIGrounding
import TestSupport
import Testing

/// The lines of the module's article, as they stand there.
@Suite struct GUIGroundingDocumentationTests {
  @Test func searchingForAPoint() async throws {
    let box = GroundingBox(x0: 300, y0: 200, x1: 340, y1: 220)
    let screenshot = page(PixelSize(width: 640, height: 480), target: box)
    let policy = ClosurePolicy { request, _ in
      (0..<16).map { _ in GroundingSample(point: redCenter(request.image)) }
    }
    var clicks: [GroundingPoint] = []
    func click(_ x: Double, _ y: Double) { clicks.append(GroundingPoint(x: x, y: y)) }
    try await withTemporaryFolder { folder in
      let result = try await SpatialSearch().run(
        policy,
        image: screenshot,
        instruction: "open mail"
      )
      if let point = result.point { click(point.x, point.y) }
      try SearchPicture().draw(on: screenshot, result).write(to: folder + "/search.png")
      #expect(try RGBImage(contentsOf: folder + "/search.png").size == screenshot.size)
      #expect(result.cost.calls == 32)
    }
    #expect(clicks.count == 1 && box.contains(clicks[0]))
  }

  @Test func presetsCostWhatTheySay() async throws {
    let screenshot = RGBImage(size: PixelSize(width: 64, height: 48), color: .white)
    let presets: [(SpatialSearch, Int)] = [
      (.greedy, 1), (.vote, 16), (.twoCalls, 2), (SpatialSearch(), 32),
    ]
    for (search, calls) in presets {
      let policy = ClosurePolicy(points: [GroundingPoint(x: 9, y: 9)])
      let result = try await search.run(policy, image: screenshot, instruction: "open mail")
      #expect(result.cost.calls == calls)
    }
  }
}
