import Checkpoints
import Foundation
import TestSupport
import Testing

/// `apus-vision` on pictures that are made up: ten classes of bars.
@Suite struct VisionCommandTests {
  @discardableResult
  func run(_ arguments: [String]) throws -> Outcome {
    let invocation = try Invocation(arguments + ["--threads", "1"], of: "apus-vision")
    let status = invocation.wait()
    return Outcome(status: status, output: invocation.output, error: invocation.error)
  }

  /// Images of 28 × 28 pixels, in which a bar's place is the class.
  static func makeImages(in folder: String) throws {
    for (part, count) in [("train", 256), ("t10k", 60)] {
      var images: [UInt8] = [0, 0, 8, 3, 0, 0, UInt8(count >> 8), UInt8(count & 255)]
      images += [0, 0, 0, 28, 0, 0, 0, 28]
      var labels: [UInt8] = [0, 0, 8, 1, 0, 0, UInt8(count >> 8), UInt8(count & 255)]
      for index in 0..<count {
        let label = index * 7 % 10
        labels.append(UInt8(label))
        for place in 0..<28 * 28 {
          let isBar = (2 * label + 4..<2 * label + 7).contains(place % 28)
          images.append(isBar ? 200 : UInt8((place * 31 + index * 17) % 50))
        }
      }
      try AtomicFile.write(images, to: folder + "/\(part)-images-idx3-ubyte")
      try AtomicFile.write(labels, to: folder + "/\(part)-labels-idx1-ubyte")
    }
  }

  @Test(.timeLimit(.minutes(10)), arguments: [("resnet", 8), ("mobilenet", 7)])
  func netsAreTrainedAndQuantized(architecture: String, blockCount: Int) throws {
    try withTemporaryFolder { folder in
      try Self.makeImages(in: folder)
      let net = folder + "/net"
      let trained = try run([
        "train", "--architecture", architecture, "--output", net, "--data", folder,
        "--epochs", "2", "--batch", "16", "--quiet", "--json",
      ])
      #expect(trained.status == 0, "\(trained.error)")
      let float = try #require(try trained.document()["accuracy"] as? Double)
      #expect(float > 0.5)
      let arguments = [
        "study", net, "--output", folder + "/study", "--data", folder, "--bits", "8", "2",
        "--methods", "rtn", "adaround", "flexround", "--seeds", "1", "--samples", "32",
        "--steps", "4", "--batch", "8", "--flexround-rates", "1e-2", "--adaround-rates", "1e-2",
        "--quiet", "--json",
      ]
      let study = try run(arguments)
      #expect(study.status == 0, "\(study.error)")
      let results = try #require(try study.document()["results"] as? [[String: Any]])
      #expect(results.count == 6)
      for result in results {
        let cell = try #require(result["cell"] as? [String: Any])
        let accuracy = try #require(result["accuracy"] as? Double)
        // Eight bits per tensor cost next to nothing; at two the net must still have run.
        if cell["bits"] as? Int == 8 { #expect(abs(accuracy - float) < 0.1) }
        #expect((result["blockErrors"] as? [Double])?.count == blockCount)
      }
      // Again: everything is there already, to the byte.
      let file = URL(filePath: folder + "/study/study.json")
      let before = try Data(contentsOf: file)
      #expect(try run(arguments).output == study.output)
      #expect(try Data(contentsOf: file) == before)
      let other = try run(arguments.map { $0 == "4" ? "5" : $0 })
      #expect(other.status == 1 && other.error.contains("other settings"))
    }
  }

  @Test func missingImagesAreNamedWithWhatToDo() throws {
    try withTemporaryFolder { folder in
      let outcome = try run([
        "train", "--architecture", "resnet", "--output", folder + "/net", "--data", folder,
      ])
      #expect(outcome.status == 1)
      #expect(outcome.error.contains("train-images-idx3-ubyte.gz"))
      #expect(outcome.error.contains("APUS_DATA"))
      #expect(outcome.errorLines.count == 1)
    }
  }

  @Test func wrongArgumentsAreRefused() throws {
    for arguments in [
      ["train", "--architecture", "vgg", "--output", "x"],
      ["train", "--architecture", "resnet", "--output", "x", "--epochs", "0"],
      ["study", "x", "--output", "y", "--bits", "1"],
      ["study", "x", "--output", "y", "--flexround-rates", "0"],
    ] {
      #expect(try run(arguments).status == 64, "\(arguments)")
    }
  }
}
