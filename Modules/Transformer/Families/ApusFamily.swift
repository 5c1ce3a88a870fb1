import Checkpoints
import Foundation

/// Models of any shape that were trained here: the names are the paths in the module, and
/// config.json holds the configuration under `apus`.
enum ApusFamily: FamilyFormat {
  static let family = ModelFamily.apus
  static let architecture = "ApusForCausalLM"
  static let names = TensorNames(model: [:], blockPrefix: "blocks.", block: [:])
  /// Peri-LN with RMSNorm and SwiGLU, which llama.cpp knows as GLM-4 (0414).
  ///
  /// It has no other name for the placement. Shapes that differ are refused where they are written.
  static let gguf: GGUFFormat? = GGUFFormat(
    architecture: "glm4",
    names: .gguf(),
    hasAdjacentPairs: true,
    fused: [(stored: "ffn_up", parts: ["gate", "up"])]
  )
  private static let key = "apus"

  static func adapt(
    _ shape: inout TransformerConfiguration,
    _ reader: ConfigurationReader
  ) throws(ModelError) { shape.placement = .peri }

  static func configuration(
    _ reader: ConfigurationReader
  ) throws(ModelError) -> TransformerConfiguration {
    guard let object = reader.value(key) else { throw reader.invalid(key, "is missing") }
    do {
      let bytes = Data(object.serializedBytes())
      let shape = try JSONDecoder().decode(TransformerConfiguration.self, from: bytes)
      try checkExtents(shape, reader)
      try shape.validate(reader, heads: "keyHeadCount", width: "headWidth")
      return shape
    } catch let error as ModelError {
      throw error
    } catch {
      throw reader.invalid(key, "is not a configuration: \(error)")
    }
  }

  private static func checkExtents(
    _ shape: TransformerConfiguration,
    _ reader: ConfigurationReader
  ) throws(ModelError) {
    for (name, value, limits) in [
      ("vocabularyCount", shape.vocabularyCount, ConfigurationLimits.vocabulary),
      ("hiddenWidth", shape.hiddenWidth, ConfigurationLimits.width),
      ("feedForwardWidth", shape.feedForwardWidth, ConfigurationLimits.width),
      ("embeddingWidth", shape.embeddingWidth, ConfigurationLimits.width),
      ("blockCount", shape.blockCount, ConfigurationLimits.blocks),
      ("headCount", shape.headCount, ConfigurationLimits.heads),
      ("keyHeadCount", shape.keyHeadCount, ConfigurationLimits.heads),
      ("headWidth", shape.headWidth, ConfigurationLimits.width),
      ("contextLength", shape.contextLength, ConfigurationLimits.context),
    ] where !limits.contains(value) {
      throw reader.invalid(
        name,
        "is \(value), which is not between \(limits.lowerBound) and \(limits.upperBound)"
      )
    }
  }

  static func document(_ shape: TransformerConfiguration) -> JSONObject {
    let encoder = JSONEncoder()
    encoder.outputFormatting = .sortedKeys
    // Every property is a number, a text or a list of them: neither step can fail.
    guard let data = try? encoder.encode(shape),
      let value = try? JSONValue.parse(String(decoding: data, as: UTF8.self))
    else { return [:] }
    return [key: value]
  }
}
