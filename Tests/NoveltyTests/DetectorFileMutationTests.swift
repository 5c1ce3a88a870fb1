import Foundation
import Novelty
import Tensor
import TestSupport
import Testing

/// Damaged files end in a typed error or a detector that scores.
@Suite struct DetectorFileMutationTests {
  @Test(.timeLimit(.minutes(10)), arguments: DetectorTests.choices)
  func damageIsAnErrorOrADetector(choice: DetectorChoice) throws {
    let blobs = Blobs(count: 60)
    let detector = choice.makeDetector()
    try detector.fit(blobs.data)
    try detector.calibrate(on: blobs.heldBack, rule: .falsePositiveRate(0.1))
    var random = Philox(seed: 8)
    try withTemporaryFolder { folder in
      let path = folder + "/detector.safetensors"
      try detector.save(to: path)
      let valid = Array(try Data(contentsOf: URL(filePath: path)))
      var refusals = 0
      for _ in 0..<120 {
        try Data(mutated(valid, &random)).write(to: URL(filePath: path))
        do throws(NoveltyError) {
          let found = try noveltyDetector(contentsOf: path)
          guard found.sampleShape == [8] else { continue }
          let scores = try found.scores(of: blobs.novels)
          #expect(scores.count == 60 && scores.allSatisfy(\.isFinite))
        } catch {
          refusals += 1
          #expect(!error.description.isEmpty)
        }
      }
      #expect(refusals > 20)
    }
  }

  /// A few bytes changed, half of them in the header, or a part cut off.
  private func mutated(_ valid: [UInt8], _ random: inout Philox) -> [UInt8] {
    var bytes = valid
    let headerEnd = 8 + Int(valid[0]) + Int(valid[1]) << 8 + Int(valid[2]) << 16
    for _ in 0...random.integer(below: 3) {
      let limit = random.integer(below: 2) == 0 ? headerEnd : bytes.count
      let place = random.integer(below: limit)
      switch random.integer(below: 3) {
      case 0: bytes[place] = UInt8(random.integer(below: 256))
      case 1: bytes[place] ^= 1 << UInt8(random.integer(below: 8))
      default: bytes[place] = UInt8(ascii: "0") + UInt8(random.integer(below: 10))
      }
    }
    if random.integer(below: 8) == 0 { bytes.removeLast(random.integer(below: bytes.count)) }
    return bytes
  }
}
