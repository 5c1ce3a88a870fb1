import Foundation
import Novelty
import Tensor
import TestSupport
import Testing

/// The lines of the documentation.
@Suite struct GuideTests {
  private static let root = URL(filePath: #filePath).deletingLastPathComponent()
    .deletingLastPathComponent().deletingLastPathComponent().path(percentEncoded: false)

  private static func text(of path: String) throws -> String {
    try String(contentsOfFile: root + path, encoding: .utf8)
  }

  /// The guide's path is one of the checkout.
  private func noveltyDetector(contentsOf path: String) throws -> any NoveltyDetector {
    try Novelty::noveltyDetector(contentsOf: Self.root + path)
  }

  @Test func theDetectorThatIsThereInThreeLines() throws {
    let bytes = Tensor<UInt8>(repeating: 255, shape: [2, 28, 28])
    func print(_ score: Float, _ isNovel: Bool) { #expect(score.isFinite && isNovel) }
    let detector = try noveltyDetector(contentsOf: "Models/digits.safetensors")
    let images = NormalData(images: bytes).inputs
    for verdict in try detector.verdicts(on: images) { print(verdict.score, verdict.isNovel) }
    // The lines above are those of the guide.
    let guide = try Self.text(of: "Modules/Novelty/Novelty.docc/Novelty.md")
    let section = try #require(guide.components(separatedBy: "take three lines:").last)
    let block = try #require(section.components(separatedBy: "```").dropFirst().first)
    let lines = block.split(separator: "\n").dropFirst().map { line in
      line.components(separatedBy: "//")[0].trimmingCharacters(in: .whitespaces)
    }
    #expect(lines.count == 3)
    let own = try String(contentsOfFile: #filePath, encoding: .utf8)
    #expect(lines.allSatisfy { own.contains("\n    \($0)\n") })
  }

  @Test func aDetectorInTenLines() throws {
    let blobs = Blobs()
    let (images, digits, heldBack, incoming) = (
      blobs.normals, blobs.labels, blobs.heldBack, blobs.novels
    )
    try withTemporaryFolder { folder in
      let path = folder + "/digits.safetensors"
      let detector = OAAE(.perceptron(hiddenWidths: [16], latentWidth: 6))
      try detector.fit(NormalData(inputs: images, labels: digits))
      try detector.calibrate(on: heldBack, rule: .falsePositiveRate(0.05))
      let novel = try detector.verdicts(on: incoming).filter(\.isNovel)
      #expect(novel.allSatisfy { $0.pValue <= 0.05 })
      try detector.save(to: path)
      let same = try OAAE(contentsOf: path)
      same.calibration?.rule = .percentile(99)
      #expect(try same.scores(of: incoming) == detector.scores(of: incoming))
      #expect(same.configuration == detector.configuration)
    }
  }
}
