import GUIGrounding
import Tensor

/// Answers with what a closure makes of the view; counts its requests.
final class ClosurePolicy: GroundingPolicy {
  let name = "closure"
  var side: Int?
  var seeds: [UInt64?] = []
  var views: [PixelSize] = []
  private let answer: (_ request: GroundingRequest, _ number: Int) -> [GroundingSample]
  private(set) var requestCount = 0

  init(
    side: Int? = nil,
    _ answer: @escaping (_ request: GroundingRequest, _ number: Int) -> [GroundingSample]
  ) {
    self.side = side
    self.answer = answer
  }

  /// Always the same points, as many as asked for, round and round.
  convenience init(points: [GroundingPoint?]) {
    self.init { _, _ in
      (0..<64).map { GroundingSample(point: points[$0 % points.count]) }
    }
  }

  func viewSize(for image: PixelSize) -> PixelSize {
    side.map { PixelSize(width: $0, height: $0) } ?? image
  }

  nonisolated(nonsending) func sample(
    _ request: GroundingRequest,
    count: Int,
    options: GroundingSampling
  ) async throws -> [GroundingSample] {
    seeds.append(options.seed)
    views.append(request.image.size)
    defer { requestCount += 1 }
    return Array(answer(request, requestCount).prefix(count))
  }
}

extension GroundingSample {
  /// An answer that names a point, of four tokens.
  init(point: GroundingPoint?, logProbability: Float? = nil) {
    self.init(
      text: "",
      point: point,
      formatOK: point != nil,
      tokenLogProbabilities: logProbability.map { [$0] },
      reportedTokenCount: 4
    )
  }
}

/// A picture with one red rectangle, and the box of it.
func page(_ size: PixelSize, target: GroundingBox) -> RGBImage {
  var image = RGBImage(size: size, color: .white)
  image.fill(target, Pen(RGBColor(255, 0, 0)))
  return image
}

/// Where the red of a view lies, as far as it is in view: T(c*).
func redCenter(_ image: RGBImage) -> GroundingPoint? {
  var (x, y, sum) = (0.0, 0.0, 0.0)
  for row in 0..<image.size.height {
    for column in 0..<image.size.width {
      let color = image[x: column, y: row]
      let weight = Double(color.red) - Double(color.green)
      x += weight * (Double(column) + 0.5)
      y += weight * (Double(row) + 0.5)
      sum += weight
    }
  }
  return sum > 0 ? GroundingPoint(x: x / sum, y: y / sum) : nil
}

/// A number of mean 0 and deviation 1.
func normal(_ generator: inout Philox) -> Double {
  (0..<12).reduce(-6) { sum, _ in sum + Double(generator.uniform()) }
}
