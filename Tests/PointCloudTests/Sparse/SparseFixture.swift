import Autograd
import Checkpoints
import PointCloud
import Tensor
import TestSupport
import Testing

/// One reference file of the sparse part.
struct SparseFixture: Sendable, CustomTestStringConvertible {
  let name: String

  var testDescription: String { name }

  /// The files whose names start with a prefix.
  static func all(_ prefix: String) -> [SparseFixture] {
    Fixtures.names(in: "pointcloud", suffix: ".safetensors").filter { $0.hasPrefix(prefix) }
      .map { SparseFixture(name: $0) }
  }

  func open() throws -> SafetensorsFile {
    try SafetensorsFile(path: Fixtures.file("pointcloud/" + name), mode: .inMemory)
  }

  /// The text of a value in the metadata, such as `0.5` after `"voxel_size": `.
  func metadata(_ key: String) throws -> JSONValue? {
    let text = try #require(try open().metadata["case"])
    return try JSONValue.parse(text)[key]
  }
}

extension SafetensorsFile {
  func floats(_ name: String) throws -> Tensor<Float> { try tensor(named: name, as: Float.self) }
  func ids(_ name: String) throws -> Tensor<Int32> { try tensor(named: name, as: Int32.self) }

  /// The tensor as a leaf of the tape.
  func leaf(_ name: String) throws -> Variable { Variable(following: try floats(name)) }

  /// The tensor as a parameter, or nil where there is none.
  func parameter(_ name: String) throws -> Parameter? {
    names.contains(name) ? Parameter(try floats(name)) : nil
  }
}

/// Expects values within 1e-5 of the largest, or of 1.
func expectNear(_ found: Tensor<Float>?, _ expected: Tensor<Float>, _ comment: String) {
  let scale = max(expected.abs().max(), 1)
  expectClose(found ?? .zeros([0]), expected, absolute: 1e-5 * scale, comment)
}

extension KernelMap {
  /// (offset, input, output) of each pair.
  var triples: [Int32] {
    (0..<kernelVolume).flatMap { offset in
      (Int(starts[offset])..<Int(starts[offset + 1])).flatMap { pair in
        [Int32(offset), inputs[pair], outputs[pair]]
      }
    }
  }
}
