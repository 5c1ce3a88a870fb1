import Novelty
import Tensor
import TestSupport
import Testing

/// The lines of the documentation.
@Suite struct GuideTests {
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
