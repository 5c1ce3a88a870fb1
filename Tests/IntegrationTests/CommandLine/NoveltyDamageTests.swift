import Checkpoints
import Foundation
import ImageFiles
import Tensor
import TestSupport
import Testing

/// Embeddings, odd images, and files with something wrong.
extension NoveltyCommandTests {
  @Test func damagedTablesAreRefusedByPlace() throws {
    try withTemporaryFolder { folder in
      let path = folder + "/table.csv"
      for (text, reason) in [
        ("1,2\n3,x\n", "line 2: column 2: 'x' is no number"),
        ("a,b\n1,2\n3\n", "line 3: 1 columns, 2 in the lines above"),
        ("a,b\n1,nan\n", "line 2: column 2 (b): nan is not finite"),
        ("1,\"2\n", "line 1: a quote does not end"), ("a,b\n", "no rows of numbers"),
      ] {
        try AtomicFile.write(text, to: path)
        let outcome = try run(["train", path, "--output", folder + "/m.safetensors", "--quiet"])
        #expect(outcome.status == 1 && outcome.error.contains(reason), "\(outcome.error)")
      }
    }
  }

  /// Embeddings of another model, with labels, in both kinds of files.
  @Test(.timeLimit(.minutes(10)))
  func embeddingsAreLearnedAndScored() throws {
    try withTemporaryFolder { folder in
      // Every sixth is far away.
      let values = (0..<720).map { (place: Int) -> Float in
        let (row, axis) = (place / 6, place % 6)
        let near = Float((row * 37 + axis * 11) % 23) / 23
        return row % 6 == 5 ? near + 9 : near
      }
      let vectors = Tensor<Float>(values, shape: [120, 6])
      let labels = Tensor<Int32>((0..<120).map { (row: Int) -> Int32 in row % 6 == 5 ? 1 : 0 })
      let tensors = folder + "/embeddings.safetensors"
      try SafetensorsFile.write(
        [SafetensorsItem("vectors", vectors), SafetensorsItem("labels", labels)],
        to: tensors
      )
      let array = folder + "/embeddings.npy"
      try AtomicFile.write(Self.npy(vectors), to: array)
      let model = folder + "/model.safetensors"
      let trained = try run([
        "train", tensors, "--tensor", "vectors", "--label-tensor", "labels", "--novel", "1",
        "--detector", "knn", "--output", model, "--quiet",
      ])
      #expect(trained.status == 0, "\(trained.error)")
      for input in [[tensors, "--tensor", "vectors", "--label-tensor", "labels"], [array]] {
        let scored = try run(["score", model] + input + ["--quiet"])
        #expect(scored.status == 0, "\(scored.error)")
        let lines = scored.output.split(separator: "\n")
        #expect(lines.count == 121)
        for row in stride(from: 6, through: 120, by: 6) { #expect(lines[row].hasSuffix(",true")) }
      }
      let unnamed = try run(["score", model, tensors, "--quiet"])
      #expect(unnamed.status == 1 && unnamed.error.contains("give --tensor; there are"))
      var broken = vectors
      broken[7, 3] = Tensor(scalar: .nan)
      try AtomicFile.write(Self.npy(broken), to: array)
      let refused = try run(["score", model, array, "--quiet"])
      #expect(refused.status == 1)
      #expect(refused.error.contains("embeddings.npy, row 8: number 4 is NaN or infinite"))
    }
  }

  private static func npy(_ tensor: Tensor<Float>) -> [UInt8] {
    let extents = tensor.shape.extents.map { "\($0)," }.joined(separator: " ")
    var header = "{'descr': '<f4', 'fortran_order': False, 'shape': (\(extents)), }"
    header += String(repeating: " ", count: 63 - (header.utf8.count + 10) % 64) + "\n"
    let size = header.utf8.count
    var bytes: [UInt8] = [0x93]
    bytes += Array("NUMPY".utf8)
    bytes += [1, 0, UInt8(size & 0xFF), UInt8(size >> 8)]
    bytes += Array(header.utf8)
    for value in tensor.elements {
      for shift: UInt32 in [0, 8, 16, 24] {
        bytes.append(UInt8(truncatingIfNeeded: value.bitPattern >> shift))
      }
    }
    return bytes
  }

  /// Constant images, images of another size, and one class.
  @Test(.timeLimit(.minutes(10)))
  func oddImagesAreScoredOrRefused() throws {
    try withTemporaryFolder { folder in
      try Self.makeIDX(in: folder)
      let model = folder + "/m.safetensors"
      let constant = folder + "/constant"
      try FileManager.default.createDirectory(atPath: constant, withIntermediateDirectories: true)
      for index in 0..<20 {
        let pixels = Tensor<UInt8>(repeating: 77, shape: [12, 12, 1])
        try DecodedImage(pixels: pixels).writePNG(to: constant + "/\(index).png")
      }
      let trained = try run(["train", constant, "--epochs", "2", "--output", model])
      #expect(trained.status == 0, "\(trained.error)")
      #expect(trained.error.contains("no labels: the embedding has nothing to separate"))
      let scored = try run(["score", model, constant, folder, "--quiet"])
      #expect(scored.status == 0, "\(scored.error)")
      #expect(scored.output.split(separator: "\n").count == 101)
      let convolutions = try run([
        "train", constant, "--profile", "convolution", "--channels", "8", "--epochs", "1",
        "--output", folder + "/c.safetensors", "--quiet",
      ])
      #expect(convolutions.status == 0, "\(convolutions.error)")
      let file = try SafetensorsFile(path: folder + "/c.safetensors")
      let weight = try file.tensor(named: "networks.encoder.stages.0.layer.weight")
      #expect(weight.shape == [8, 1, 4, 4])
      // IDX files of another size than the detector's.
      let other = folder + "/other.idx"
      let pixels = [UInt8](repeating: 0, count: 3 * 10 * 12)
      try AtomicFile.write([0, 0, 8, 3, 0, 0, 0, 3, 0, 0, 0, 10, 0, 0, 0, 12] + pixels, to: other)
      let size = try run(["score", model, other, "--quiet"])
      #expect(size.status == 1)
      #expect(size.error.contains("samples of 10×12 numbers, the detector takes 12×12"))
      let single = try run([
        "train", folder, "--novel", "1", "2", "3", "--epochs", "1", "--batch", "8", "--output",
        model,
      ])
      #expect(single.status == 0, "\(single.error)")
      #expect(single.error.contains("one class: the embedding has nothing to separate"))
    }
  }

  /// Whatever a file holds, the program ends by itself, with a message where it fails.
  @Test(.timeLimit(.minutes(10)))
  func damagedFilesNeverEndTheProgramOtherwise() throws {
    let count = ProcessInfo.processInfo.environment["APUS_MUTATIONS"].flatMap { Int($0) } ?? 12
    var random = Philox(seed: 12)
    try withTemporaryFolder { folder in
      let table = folder + "/table.csv"
      try Self.makeTable(at: table, count: 20)
      let vectors = Tensor<Float>((0..<60).map { Float($0) }, shape: [20, 3])
      var images: [UInt8] = [0, 0, 8, 3, 0, 0, 0, 6, 0, 0, 0, 3, 0, 0, 0, 3]
      images += [UInt8](repeating: 9, count: 54)
      let files: [String: [UInt8]] = [
        "csv": Array(try Data(contentsOf: URL(filePath: table))), "npy": Self.npy(vectors),
        "idx": images,
      ]
      for (kind, valid) in files.sorted(by: { $0.key < $1.key }) {
        for _ in 0..<count {
          var bytes = valid
          for _ in 0...random.integer(below: 3) {
            let place = random.integer(below: random.integer(below: 2) == 0 ? 16 : bytes.count)
            bytes[place] = UInt8(random.integer(below: 256))
          }
          let path = folder + "/damaged." + kind
          try AtomicFile.write(bytes, to: path)
          let outcome = try run([
            "train", path, "--detector", "pca", "--output", folder + "/m.safetensors", "--quiet",
          ])
          #expect([0, 1].contains(outcome.status), "\(kind): \(outcome.status), \(bytes)")
          #expect((outcome.status == 0) == outcome.error.isEmpty, "\(outcome.error)")
        }
      }
    }
  }
}
