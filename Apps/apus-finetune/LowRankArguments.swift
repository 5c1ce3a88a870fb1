import ArgumentParser
import Tensor
import Transformer

/// What low-rank adapters look like.
struct LowRankArguments: ParsableArguments {
  static let defaultRank = 8
  /// The maps to queries and values, by the module's names, which all families share.
  static let defaultTargets = ["attention.query", "attention.value"]

  @Option(
    parsing: .unconditional,
    help: "LoRA: the rank of the adapters. (default: \(Self.defaultRank))"
  )
  var rank: Int?

  @Option(
    parsing: .unconditional,
    help: "LoRA: what the product is scaled by, over the rank. (default: twice the rank)"
  )
  var alpha: Float?

  @Option(
    help: ArgumentHelp(
      """
      LoRA: the layers with adapters, with commas between, by the model's names or their ends: \
      q_proj,v_proj. (default: the maps to queries and values)
      """,
      valueName: "names"
    )
  )
  var targets: String?

  func validate() throws {
    guard 1...65536 ~= rank ?? 1 else {
      throw ValidationError("--rank \(rank ?? 0) must lie between 1 and 65,536")
    }
    guard alpha?.isFinite ?? true, alpha != 0 else {
      throw ValidationError("--alpha must be a number other than 0")
    }
    guard !targetNames.isEmpty else {
      throw ValidationError("--targets is empty; name at least one layer")
    }
  }

  /// The options that were typed.
  var typed: [String] {
    var names: [String] = []
    if rank != nil { names.append("--rank") }
    if alpha != nil { names.append("--alpha") }
    if targets != nil { names.append("--targets") }
    return names
  }

  /// The names of the layers.
  var targetNames: [String] { targets.map { Self.names(in: $0) } ?? Self.defaultTargets }

  /// Names with commas between, and perhaps spaces.
  static func names(in text: String) -> [String] {
    text.split(separator: ",").map { String($0.drop { $0 == " " }.prefix { $0 != " " }) }
  }

  /// The settings in a few words.
  var text: String {
    let rank = rank ?? Self.defaultRank
    let names = targets == nil ? "queries and values" : targetNames.joined(separator: ", ")
    return "rank \(rank), alpha \(alpha ?? 2 * Float(rank)), \(names)"
  }

  /// Puts adapters beside the layers of a model.
  func add(to model: DecoderModel, seed: UInt64) throws {
    let rank = rank ?? Self.defaultRank
    var generator = Philox(seed: seed)
    try model.addLowRankAdapters(
      rank: rank,
      alpha: alpha ?? 2 * Float(rank),
      to: targetNames,
      using: &generator
    )
  }
}
