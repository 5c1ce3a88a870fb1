import Checkpoints
import Foundation
import Novelty
import Tensor
import TestSupport
import Testing

/// MNIST's four files with something wrong: an error that names it, or samples that fit together.
@Suite struct DamagedSetTests {
  private static let names = [
    "train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
  ]

  private static func header(_ extents: [UInt8]) -> [UInt8] {
    [0, 0, 8, UInt8(extents.count)] + extents.flatMap { [0, 0, 0, $0] }
  }

  /// Images of 4 × 5 pixels, of two classes.
  private static let valid: [[UInt8]] = [
    header([12, 4, 5]) + (0..<240).map { UInt8($0) }, header([12]) + (0..<12).map { $0 % 2 },
    header([6, 4, 5]) + (0..<120).map { UInt8($0) }, header([6]) + (0..<6).map { $0 % 2 },
  ]

  private func read(_ files: [[UInt8]], in folder: String) throws -> LabelledSamples {
    for (name, bytes) in zip(Self.names, files) {
      try AtomicFile.write(bytes, to: folder + "/" + name)
    }
    return try LabelledSamples(idxFolder: folder)
  }

  @Test func theSetIsSound() throws {
    try withTemporaryFolder { folder in
      let set = try read(Self.valid, in: folder)
      #expect(set.count == 18 && set.classes == [0, 1] && set.officialTrainingCount == 12)
      #expect(set[[13]].elements == (20..<40).map { Float($0) / 255 })
    }
  }

  private static func zeros(_ extents: [UInt8]) -> [UInt8] {
    header(extents) + [UInt8](repeating: 0, count: extents.reduce(1) { $0 * Int($1) })
  }

  /// One file changed, and what the message says.
  static let damages: [(file: Int, bytes: [UInt8], text: String)] = [
    (0, zeros([12, 5, 4]), "expected"), (0, zeros([12, 20]), "images [N × H × W]"),
    (0, zeros([]), "images [N × H × W]"), (1, zeros([11]), "labels [N]"),
    (1, zeros([12, 1]), "labels [N]"), (1, zeros([]), "labels [N]"),
    (2, zeros([6, 4, 4]), "expected"), (2, zeros([0, 4, 5]), "images [N × H × W]"),
    (3, [], "t10k-labels"), (3, Array("<html>".utf8), "t10k-labels"),
  ]

  @Test(arguments: damages)
  func whatDoesNotFitIsNamed(file: Int, bytes: [UInt8], text: String) throws {
    try withTemporaryFolder { folder in
      var files = Self.valid
      files[file] = bytes
      let error = #expect(throws: NoveltyError.self) { try read(files, in: folder) }
      #expect(error?.description.contains(text) == true, "\(error?.description ?? "none")")
    }
  }

  @Test func missingFilesAreNamed() throws {
    try withTemporaryFolder { folder in
      let error = #expect(throws: NoveltyError.self) { try LabelledSamples(idxFolder: folder) }
      #expect(error?.description.contains("train-images-idx3-ubyte") == true)
    }
  }

  /// `APUS_MUTATIONS` is how many of them there are instead of 400.
  @Test(.timeLimit(.minutes(10))) func damageIsAnErrorOrASet() throws {
    let count = ProcessInfo.processInfo.environment["APUS_MUTATIONS"].flatMap { Int($0) } ?? 400
    var random = Philox(seed: 5)
    try withTemporaryFolder { folder in
      var refusals = 0
      for _ in 0..<count {
        var files = Self.valid
        let index = random.integer(below: 4)
        files[index] = mutated(files[index], &random)
        do {
          let set = try read(files, in: folder)
          #expect(set[Array(0..<set.count)].shape[0] == set.labels.count)
          for label in set.classes.prefix(3) {
            _ = try? NoveltyEvaluation().fold(for: label, of: set, seed: 0)
          }
        } catch let error as NoveltyError {
          refusals += 1
          #expect(!error.description.isEmpty)
        }
      }
      #expect(refusals > count / 4)
    }
  }

  /// Bytes changed, mostly in the header; taken out, put in, or the end cut off.
  private func mutated(_ valid: [UInt8], _ random: inout Philox) -> [UInt8] {
    var bytes = valid
    for _ in 0...random.integer(below: 3) {
      let limit = random.integer(below: 3) == 0 ? bytes.count : min(bytes.count, 16)
      guard limit > 0 else { break }
      let place = random.integer(below: limit)
      switch random.integer(below: 5) {
      case 0: bytes[place] = UInt8(random.integer(below: 256))
      case 1: bytes[place] = [0, 1, 2, 3, 4, 5, 0x7F, 0xFF][random.integer(below: 8)]
      case 2: bytes.remove(at: place)
      case 3: bytes.insert(UInt8(random.integer(below: 256)), at: place)
      default: bytes.removeLast(random.integer(below: bytes.count))
      }
    }
    return bytes
  }
}
