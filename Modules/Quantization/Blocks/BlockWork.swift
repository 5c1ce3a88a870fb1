import Autograd
import Checkpoints
import Tensor

#if canImport(FoundationEssentials)
  import FoundationEssentials
#else
  import Foundation
#endif

/// The work folder of a block quantization: what is finished, and the states from which it goes on.
///
///     run.json                 what is quantized, on what, and how
///     block-000.safetensors    a finished block: codes, step sizes, changed norms; its report
///     original-001.safetensors the states behind the original and
///     quantized-001.safetensors behind the quantized blocks
///
/// A block counts as finished when its file is there; the states behind it were written before.
final class BlockWork {
  let folder: String
  /// How many blocks are finished.
  private(set) var finishedCount: Int
  private let lease: FolderLease

  /// Opens a new folder, or that of the same run.
  init<Stack: BlockStack>(
    _ folder: String,
    _ settings: BlockQuantizerSettings,
    _ stack: Stack,
    _ samples: Tensor<Stack.Element>
  ) throws {
    self.folder = folder
    let identity = try WorkIdentity(settings, stack, samples)
    let manager = FileManager.default
    let file = folder + "/run.json"
    // A process that was killed before it had its run.json leaves a folder that is as good as empty.
    FolderRemoval.removeLeftovers(in: folder) { $0 == "run.json" || $0.hasSuffix(".safetensors") }
    if let names = try? manager.contentsOfDirectory(atPath: folder), !names.isEmpty {
      guard manager.fileExists(atPath: file) else {
        throw QuantizationError.foreignWork(
          path: folder,
          reason: "holds other files; choose a new folder"
        )
      }
      try identity.check(file, folder: folder)
    } else {
      do throws(FileProblem) { try makeFolder(folder) } catch {
        throw QuantizationError.foreignWork(path: folder, reason: "cannot be made: \(error)")
      }
      try AtomicFile.write(identity.document.serialized(pretty: true) + "\n", to: file)
    }
    guard let lease = FolderLease.removing(folder) else {
      throw QuantizationError.foreignWork(
        path: folder,
        reason: "is in use by another process; wait for it or choose a new folder"
      )
    }
    self.lease = lease
    finishedCount = 0
    while finishedCount < stack.blockCount,
      manager.fileExists(atPath: QuantizedBlocks.path(folder, finishedCount))
    { finishedCount += 1 }
    if finishedCount < stack.blockCount, finishedCount > 0 {
      for path in [originalPath(finishedCount), quantizedPath(finishedCount)]
      where !manager.fileExists(atPath: path) {
        throw QuantizationError.foreignWork(
          path: folder,
          reason: "lacks \(path), from which the run would go on; start in a new folder"
        )
      }
    }
  }

  func originalPath(_ index: Int) -> String { statesPath("original", index) }
  func quantizedPath(_ index: Int) -> String { statesPath("quantized", index) }

  private func statesPath(_ kind: String, _ index: Int) -> String {
    folder + "/" + kind + "-" + QuantizedBlocks.number(index) + ".safetensors"
  }

  /// Saves a finished block, and removes the states in front of it.
  func save(_ block: QuantizedBlock, checkpointName: (_ path: String) -> String) throws {
    let index = block.report.block
    try QuantizedBlocks.write(block, to: folder, checkpointName: checkpointName)
    finishedCount = index + 1
    for path in [originalPath(index), quantizedPath(index)] {
      try? FileManager.default.removeItem(atPath: path)
    }
  }
}

/// What a work folder belongs to.
private struct WorkIdentity {
  static let version: Int64 = 2
  let document: JSONValue

  init<Stack: BlockStack>(
    _ settings: BlockQuantizerSettings,
    _ stack: Stack,
    _ samples: Tensor<Stack.Element>
  ) throws {
    let encoder = JSONEncoder()
    encoder.outputFormatting = .sortedKeys
    let text = String(decoding: try encoder.encode(settings), as: UTF8.self)
    document = [
      "format_version": .integer(Self.version),
      "settings": .string(text),
      "model": .string(String(try Self.hash(of: stack, samples), radix: 16)),
      "samples": .string(String(Self.hash(of: samples), radix: 16)),
    ]
  }

  /// Refuses a folder of another run.
  func check(_ file: String, folder: String) throws {
    let found = try JSONValue.read(file)
    let parts = [
      ("format_version", "another version of this program"),
      // The model's checksum has the first sample in it.
      ("samples", "another calibration set"), ("model", "another model"),
      ("settings", "other settings"),
    ]
    for (key, meaning) in parts where found.objectValue?[key] != document.objectValue?[key] {
      throw QuantizationError.foreignWork(
        path: folder,
        reason: "belongs to a run with \(meaning); give the same ones, or choose a new folder"
      )
    }
  }

  private static func hash<Element: TensorElement>(of tensor: Tensor<Element>) -> UInt64 {
    tensor.withUnsafeElements { XXHash64.hash(UnsafeRawBufferPointer($0)) }
  }

  /// Rows of a layer that are floats at a time.
  private static let rowsAtATime: Int32 = 256

  /// A checksum of all weights, and of the first sample's embedding: one pass over the model.
  private static func hash<Stack: BlockStack>(
    of stack: Stack,
    _ samples: Tensor<Stack.Element>
  ) throws -> UInt64 {
    var sums = [hash(of: try stack.embedding(samples[0..<1]))]
    for index in 0..<stack.blockCount {
      let block = try stack.block(index)
      for (_, layer) in block.namedLinearLayers() {
        let count = Int32(layer.outputWidth)
        for first in stride(from: 0, to: count, by: Int(rowsAtATime)) {
          let rows = Array(first..<min(first + rowsAtATime, count))
          sums.append(hash(of: layer.weightRows(rows)))
        }
      }
      for (_, parameter) in block.namedParameters().map({ ($0.name, $0.parameter) }) {
        sums.append(hash(of: parameter.value))
      }
    }
    return sums.withUnsafeBytes { XXHash64.hash($0) }
  }
}
