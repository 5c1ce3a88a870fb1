import Autograd
import Checkpoints
import Foundation
import Tensor

extension NativeGroundingPolicy {
  /// The value of `format` in the header of a file.
  private static let format = "apus-native-grounding-policy"

  /// The most numbers that a file may hold.
  private static let maximumParameterCount = 1_000_000_000

  /// Reads a policy from one safetensors file.
  ///
  /// - Throws: `NativePolicyError`.
  public convenience init(path: String) throws(NativePolicyError) {
    let file: SafetensorsFile
    do throws(CheckpointError) {
      file = try SafetensorsFile(path: path, mode: .inMemory)
    } catch { throw .checkpoint(error) }
    guard file.metadata["format"] == Self.format, let text = file.metadata["policy"] else {
      throw .malformed(path: path, reason: "no native policy")
    }
    let configuration: NativePolicyConfiguration
    do {
      configuration = try JSONDecoder().decode(
        NativePolicyConfiguration.self,
        from: Data(text.utf8)
      )
    } catch {
      throw .malformed(path: path, reason: "a damaged configuration, \(error)")
    }
    if let flaw = configuration.flaw { throw .malformed(path: path, reason: flaw) }
    let stored = file.entries.reduce(0) { $0 + ($1.shape?.count ?? 0) }
    guard stored <= Self.maximumParameterCount, configuration.parameterEstimate <= 2 * stored else {
      throw .malformed(path: path, reason: "\(stored) numbers for a policy of another size")
    }
    var generator = Philox(seed: 0)
    self.init(configuration, using: &generator)
    do throws(ModuleError) { try load(from: path) } catch {
      throw .weights(path: path, error)
    }
  }

  /// Writes the policy to one safetensors file, which appears complete or not at all.
  ///
  /// - Throws: `NativePolicyError`.
  public func write(to path: String) throws(NativePolicyError) {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys]
    let text: String
    do { text = String(decoding: try encoder.encode(configuration), as: UTF8.self) } catch {
      throw .malformed(path: path, reason: "a configuration that cannot be written, \(error)")
    }
    do throws(ModuleError) {
      try save(to: path, metadata: ["format": Self.format, "policy": text])
    } catch { throw .weights(path: path, error) }
  }
}

extension NativePolicyConfiguration {
  /// About how many numbers a policy has, and never many more than it has.
  ///
  /// Checked before one is made, so that a damaged file cannot ask for memory.
  fileprivate var parameterEstimate: Int {
    let blocks = blockCount * 16 * width * width
    let stem = stemWidths[0] * 75 + stemWidths[0] * stemWidths[1] * 9
    let rest = (stemWidths[1] + width) * width * 9 + vocabulary.count * width
    return blocks + stem + rest + (gridWidth + gridHeight) * width
  }
}
