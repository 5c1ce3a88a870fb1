import Checkpoints
import Tensor
import Transformer

extension Inspection {
  /// What an opened model says about itself; reads no weights.
  init(_ file: ModelFile) {
    let pretrained = file.pretrained
    path = file.path
    format = pretrained.format.rawValue
    family = pretrained.family
    method = file.method
    parameters = file.parameterCount
    bytes = file.byteCount
    bitsPerWeight = file.bitsPerWeight
    configuration = pretrained.configuration
    quantization = file.quantization
    tokenizer = pretrained.tokenizer.map { tokenizer in
      TokenizerFacts(
        tokens: tokenizer.vocabularyCount,
        specialTokens: tokenizer.specialTokens.count,
        beginToken: tokenizer.bosID.flatMap(tokenizer.token(for:)),
        endToken: tokenizer.eosID.flatMap(tokenizer.token(for:)),
        stopTokens: pretrained.stopTokens.sorted().map { id in
          StopToken(id: id, text: tokenizer.token(for: id))
        }
      )
    }
    tensors = file.tensors.map { name, description in
      Entry(
        name: name,
        storage: description.storage,
        shape: description.shape.extents,
        bytes: description.byteCount
      )
    }
  }
}
