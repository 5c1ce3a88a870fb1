import Foundation
import Novelty
import Tensor
import TestSupport
import Testing

/// The code of the page of the module Novelty, and that of the README.
@Suite struct NoveltyExamples {
  /// Images of 8 × 8 pixels with one of three bars, and noise.
  private static func bars(_ count: Int, seed: UInt64) -> (images: Tensor<Float>, digits: [Int32]) {
    var generator = Philox(seed: seed)
    let digits = (0..<count).map { Int32($0 % 3) }
    let images = digits.map { digit in
      var image = Tensor<Float>.uniform([8, 8], from: 0, to: 0.4, using: &generator)
      image[2 * Int(digit) + 1] = image[2 * Int(digit) + 1] + 0.6
      return image.flattened()
    }
    return (.stacking(images), digits)
  }

  @Test func aDetectorLearnsWhatIsNormal() async {
    await #expect(processExitsWith: .success) {
      await inFreshFolder {
        var generator = Philox(seed: 5)
        let (images, digits) = Self.bars(240, seed: 1)
        let heldBack = Self.bars(90, seed: 2).images
        let incoming = Tensor<Float>.uniform([60, 64], using: &generator)
        var reports = 0
        func report(_ score: Float, _ pValue: Double) {
          reports += pValue <= 0.05 && score.isFinite ? 1 : 0
        }
        let detector = OAAE(.perceptron())
        try detector.fit(NormalData(inputs: images, labels: digits))
        try detector.calibrate(on: heldBack, rule: .falsePositiveRate(0.05))
        for verdict in try detector.verdicts(on: incoming) where verdict.isNovel {
          report(verdict.score, verdict.pValue)
        }
        try detector.save(to: "digits.safetensors")
        let same = try OAAE(contentsOf: "digits.safetensors")
        #expect(try same.scores(of: incoming) == detector.scores(of: incoming))
        #expect(reports > 20, "\(reports) of 60")
        let before = try detector.verdicts(on: heldBack).count { $0.isNovel }
        detector.calibration?.rule = .percentile(99)
        #expect(try detector.verdicts(on: heldBack).count { $0.isNovel } <= before)
      }
    }
  }

  @Test func aDetectorThatIsThere() async {
    await #expect(processExitsWith: .success) {
      guard FileManager.default.changeCurrentDirectoryPath(Fixtures.checkout) else { exit(2) }
      let bytes = Tensor<UInt8>(repeating: 255, shape: [2, 28, 28])
      var novel = 0
      func print(_ score: Float, _ isNovel: Bool) { novel += isNovel && score.isFinite ? 1 : 0 }
      let detector = try noveltyDetector(contentsOf: "Models/digits.safetensors")
      let images = NormalData(images: bytes).inputs  // from [N × 28 × 28] of UInt8
      for verdict in try detector.verdicts(on: images) { print(verdict.score, verdict.isNovel) }
      #expect(novel == 2)
    }
  }

  @Test func theReadmesDetector() async {
    await #expect(processExitsWith: .success) {
      let models = Fixtures.checkout + "/Models"
      guard FileManager.default.changeCurrentDirectoryPath(models) else { exit(2) }
      let images = NormalData(images: Tensor<UInt8>(repeating: 255, shape: [3, 28, 28])).inputs
      var novel = 0
      func print(_ score: Float) { novel += 1 }
      let detector = try noveltyDetector(contentsOf: "digits.safetensors")
      for verdict in try detector.verdicts(on: images) where verdict.isNovel {
        print(verdict.score)
      }
      #expect(novel == 3)
    }
  }
}
