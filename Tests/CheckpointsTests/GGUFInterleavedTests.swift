import Checkpoints
import Foundation
import Tensor
import TestSupport
import Testing

/// Matrices straight from blocks against the values that the blocks stand for.
@Suite struct GGUFInterleavedTests {
  private static let types: [GGUFTensorType] = [
    .q4_0, .q4_1, .q5_0, .q5_1, .q8_0, .q3_K, .q4_K, .q5_K, .q6_K,
  ]

  /// Blocks of random codes and scales; the scales of the block in half precision.
  private func blocks(
    _ type: GGUFTensorType,
    count: Int,
    _ generator: inout Philox
  ) -> [UInt8] {
    var bytes = (0..<count * type.blockByteCount).map { _ in UInt8(generator.integer(below: 256)) }
    let halves: [Int] =
      switch type {
      case .q4_1, .q5_1, .q4_K, .q5_K: [0, 2]
      case .q3_K: [108]
      case .q6_K: [208]
      default: [0]
      }
    for block in 0..<count {
      for place in halves {
        let bits = Float16(0.5 + generator.uniform()).bitPattern
        bytes[block * type.blockByteCount + place] = UInt8(truncatingIfNeeded: bits)
        bytes[block * type.blockByteCount + place + 1] = UInt8(bits >> 8)
      }
    }
    return bytes
  }

  private func withFile(_ bytes: GGUFBytes, _ body: (GGUFFile) throws -> Void) throws {
    let folder = FileManager.default.temporaryDirectory.appending(path: "apus-\(UUID())")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    try body(try bytes.open(folder.appending(path: "m.gguf").path(percentEncoded: false)))
  }

  @Test(arguments: types, [1, 13, 40]) func valuesAreThoseOfTheBlocks(
    type: GGUFTensorType,
    rows: Int
  ) throws {
    var generator = Philox(seed: UInt64(type.rawValue))
    var bytes = GGUFBytes()
    bytes.add("general.architecture", string: "llama")
    let count = rows * 512 / type.blockCount
    bytes.addTensor("w", type, dimensions: [512, rows], blocks(type, count: count, &generator))
    try withFile(bytes) { file in
      let expected = try file.floats("w")
      let matrix = try #require(try file.interleavedMatrix("w", rowOrder: nil))
      #expect(matrix.shape == [rows, 512])
      let largest = expected.abs().elements.max() ?? 0
      // Sums of a product and an offset may be fused.
      expectClose(matrix.rows((0..<Int32(rows)).map { $0 }), expected, absolute: 1e-6 * largest)
      for count in [3, 9] {
        let x = Tensor<Float>.normal([count, 512], using: &generator)
        expectClose(
          matrix.product(with: x, tolerance: 0),
          x.matmul(expected, transposingOther: true),
          absolute: 3e-5 * largest
        )
      }
      let order = (0..<Int32(rows)).map { $0 }.reversed().map { $0 }
      let turned = try #require(try file.interleavedMatrix("w", rowOrder: order))
      #expect(turned.rows([0]) == matrix.rows([Int32(rows) - 1]))
    }
  }

  @Test func typesWithoutKernelsGiveNothing() throws {
    var generator = Philox(seed: 1)
    var bytes = GGUFBytes()
    bytes.add("general.architecture", string: "llama")
    let size = GGUFTensorType.q2_K.blockByteCount
    bytes.addTensor("k", .q2_K, dimensions: [256, 1], [UInt8](repeating: 0, count: size))
    bytes.addTensor("f", .float16, dimensions: [4, 1], [UInt8](repeating: 0, count: 8))
    bytes.addTensor("v", .q4_0, dimensions: [32], blocks(.q4_0, count: 1, &generator))
    try withFile(bytes) { file in
      for name in ["k", "f", "v"] {
        let matrix = try file.interleavedMatrix(name, rowOrder: nil)
        #expect(matrix == nil, "\(name)")
      }
      #expect(throws: CheckpointError.self) {
        _ = try file.interleavedMatrix("none", rowOrder: nil)
      }
    }
  }
}
