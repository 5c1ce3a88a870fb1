public import Autograd
public import Checkpoints
import Foundation
import Tensor

extension NativeGroundingPolicy {
  /// Reads a policy in full precision from one safetensors file.
  ///
  /// - Throws: `NativePolicyError`; `.quantized` for a file of codes.
  public convenience init(path: String) throws(NativePolicyError) {
    let file = try NativePolicyFile(path: path)
    guard file.quantization == nil else { throw .quantized(path: path) }
    var generator = Philox(seed: 0)
    self.init(file.configuration, using: &generator)
    try takeParameters(of: file, besides: [])
  }

  /// Reads a policy whose layers may hold codes.
  ///
  /// - Parameters:
  ///   - file: the file.
  ///   - layers: where the layers come from that have no weight in the file.
  /// - Throws: `NativePolicyError.weights` where the file does not fit its configuration, and what the
  ///   source throws.
  public convenience init(_ file: NativePolicyFile, layers: any WeightSource) throws {
    var generator = Philox(seed: 0)
    self.init(file.configuration, using: &generator)
    var coded: Set<String> = []
    for (name, layer) in namedLinearLayers() where !file.contains(name + ".weight") {
      let other = try layers.linear(
        name,
        outputWidth: layer.outputWidth,
        inputWidth: layer.inputWidth,
        hasBias: true
      )
      do throws(ModuleError) { try replaceLayer(at: name, with: other) } catch {
        throw NativePolicyError.weights(path: file.path, error)
      }
      coded.insert(name)
    }
    try takeParameters(of: file, besides: coded)
  }

  /// Takes all tensors over but those of layers that hold codes.
  private func takeParameters(
    of file: NativePolicyFile,
    besides coded: Set<String>
  ) throws(NativePolicyError) {
    do throws(ModuleError) {
      var state: [String: Tensor<Float>] = [:]
      for name in file.tensors.names {
        let layer = name.lastIndex(of: ".").map { String(name[..<$0]) }
        if let layer, coded.contains(layer) { continue }
        do throws(CheckpointError) {
          state[name] = try file.tensors.tensor(named: name)
        } catch { throw .checkpoint(error) }
      }
      try load(state)
    } catch { throw .weights(path: file.path, error) }
  }

  /// Writes the policy to one safetensors file, which appears complete or not at all.
  ///
  /// - Throws: `NativePolicyError`; `.codedLayers` where layers hold codes.
  public func write(to path: String) throws(NativePolicyError) {
    let coded = codedLayers.map(\.name)
    guard coded.isEmpty else { throw .codedLayers(coded) }
    let header = try header(path)
    do throws(ModuleError) { try save(to: path, metadata: header) } catch {
      throw .weights(path: path, error)
    }
  }

  /// The header of a file.
  private func header(_ path: String) throws(NativePolicyError) -> [String: String] {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys]
    do {
      let text = String(decoding: try encoder.encode(configuration), as: UTF8.self)
      return [
        NativePolicyFile.formatKey: NativePolicyFile.format, NativePolicyFile.policyKey: text,
      ]
    } catch {
      throw .malformed(path: path, reason: "a configuration that cannot be written, \(error)")
    }
  }
}

// MARK: - Codes

/// The codes of a layer as tensors of a file, which stand there in place of its weight.
public struct PolicyLayerCodes {
  /// The layer, such as `blocks.0.up`.
  public let layer: String
  /// The tensors; their names begin with the layer's and a dot.
  public let tensors: [SafetensorsDeclaration]
  /// Writes them.
  public let write: (SafetensorsWriter) throws -> Void

  /// The codes of a layer.
  public init(
    layer: String,
    tensors: [SafetensorsDeclaration],
    write: @escaping (SafetensorsWriter) throws -> Void
  ) {
    (self.layer, self.tensors, self.write) = (layer, tensors, write)
  }
}

extension NativeGroundingPolicy {
  /// Writes the policy with codes in place of the weights of some layers.
  ///
  /// - Parameters:
  ///   - path: the file, which appears complete or not at all.
  ///   - codes: the codes of layers that are dense here.
  ///   - quantization: what the reader of the codes has to know.
  /// - Throws: `NativePolicyError`, and what writing the codes throws.
  public func write(
    to path: String,
    codes: [PolicyLayerCodes],
    quantization: JSONObject
  ) throws {
    var state = state()
    for layer in codes {
      guard state.removeValue(forKey: layer.layer + ".weight") != nil else {
        let known = namedLinearLayers().map(\.name)
        throw NativePolicyError.weights(
          path: path,
          .missingLayer(path: layer.layer, known: known)
        )
      }
    }
    var header = try header(path)
    header[NativePolicyFile.quantizationKey] = JSONValue.object(quantization).serialized()
    let kept = state.map { name, tensor in
      SafetensorsDeclaration(name: name, type: .float32, shape: tensor.shape)
    }
    let writer = try SafetensorsWriter(
      path: path,
      tensors: kept + codes.flatMap(\.tensors),
      metadata: header
    )
    for (name, tensor) in state { try writer.write(tensor, named: name) }
    for layer in codes { try layer.write(writer) }
    try writer.finish()
  }
}
