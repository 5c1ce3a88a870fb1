public import Checkpoints

extension TokenizerMetadata {
  /// The keys under `tokenizer.ggml.` that say the same, for a GGUF file.
  public var fields: [(key: String, value: GGUFField)] {
    var fields: [(key: String, value: GGUFField)] = []
    func add(_ key: String, _ value: GGUFField?) {
      if let value { fields.append(("tokenizer.ggml.\(key)", value)) }
    }
    add("model", .string(model))
    add("pre", pre.map { .string($0) })
    add("tokens", .strings(tokens))
    add("scores", scores.map { .floats($0) })
    add("token_type", tokenTypes.map { .integers($0) })
    add("merges", merges.isEmpty ? nil : .strings(merges))
    add("bos_token_id", bosID.map { .uint32(UInt32($0)) })
    add("eos_token_id", eosID.map { .uint32(UInt32($0)) })
    add("unknown_token_id", unknownID.map { .uint32(UInt32($0)) })
    add("add_bos_token", addsBOS.map { .bool($0) })
    add("add_eos_token", addsEOS.map { .bool($0) })
    add("add_space_prefix", addsSpacePrefix.map { .bool($0) })
    return fields
  }
}
