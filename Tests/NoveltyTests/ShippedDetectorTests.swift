import Checkpoints
import Foundation
import Novelty
import Tensor
import TestSupport
import Testing

/// The detector of MNIST's digits that comes with the package.
@Suite struct ShippedDetectorTests {
  private static let path = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
    .deletingLastPathComponent().deletingLastPathComponent()
    .appending(path: "Models/digits.safetensors").path(percentEncoded: false)

  private static let threshold = ThresholdRule.percentile(95)

  @Test func itIsSmallAndHasAThreshold() throws {
    let size = try FileManager.default.attributesOfItem(atPath: Self.path)[.size] as? Int
    #expect(try #require(size) <= 2_000_000)
    let detector = try noveltyDetector(contentsOf: Self.path)
    #expect(detector.sampleShape == [28, 28])
    #expect(try #require(detector.calibration).rule == Self.threshold)
  }

  @Test func noiseIsNovel() throws {
    let detector = try noveltyDetector(contentsOf: Self.path)
    var generator = Philox(seed: 1)
    let noise = Tensor<Float>.uniform([50, 28, 28], from: 0, to: 1, using: &generator)
    #expect(try detector.verdicts(on: noise).allSatisfy(\.isNovel))
  }

  @Test(
    .enabled(
      if: DataFolder.has("images/mnist") && DataFolder.has("images/fashion-mnist"),
      Comment(rawValue: DataFolder.skipMessage("images/mnist and images/fashion-mnist"))
    )
  ) func digitsAreNormalAndClothesAreNot() throws {
    let detector = try noveltyDetector(contentsOf: Self.path)
    let shares = try ["mnist", "fashion-mnist"].map { name in
      let path = DataFolder.path("images/\(name)/t10k-images-idx3-ubyte.gz")
      let images = try IDXFile.bytes(path: path)[0..<2_000].unitPixels()
      return Double(try detector.verdicts(on: images).count(where: \.isNovel)) / 2_000
    }
    // 5 % are called novel among normals; of a sample of 2,000 within four deviations.
    #expect(shares[0] > 0.03 && shares[0] < 0.075)
    #expect(shares[1] > 0.75)
  }
}
