import Checkpoints
import Foundation
import ModelSupport
import Quantization
import Support
import Tensor
import Transformer

extension Inspection {
  /// What the file or folder at `path` says about itself; reads no weights.
  ///
  /// - Throws: why it is neither a model nor a checkpoint.
  init(path: String) throws {
    do {
      self.init(try ModelFile(path: path))
    } catch {
      // Another family, or another tool's quantization: its tensors can be listed all the same.
      let format: String
      let catalog: any TensorCatalog
      if let checkpoint = try? Checkpoint(path: path) {
        (format, catalog) = ("safetensors", checkpoint)
      } else if let file = try? GGUFFile(path: path) {
        (format, catalog) = ("GGUF", file)
      } else {
        throw error
      }
      self.init(catalog, format: format, limitation: "\(error)")
    }
  }

  private init(_ file: ModelFile) {
    let pretrained = file.pretrained
    path = file.path
    format = pretrained.format.rawValue
    family = pretrained.family.rawValue
    method = file.method
    parameters = file.parameterCount
    bytes = file.byteCount
    bitsPerWeight = ReportNumber(file.bitsPerWeight)
    configuration = pretrained.configuration
    switch file.quantization {
    case .own(let settings)?: quantization = settings
    case .other(let settings)?: packedFormat = settings
    case nil: break
    }
    tokenizer = pretrained.tokenizer.map { TokenizerFacts($0, stops: pretrained.stopTokens) }
    tensors = Self.entries(pretrained.catalog)
  }

  private init(_ catalog: any TensorCatalog, format: String, limitation: String) {
    path = catalog.path
    self.format = format
    self.limitation = limitation
    tensors = Self.entries(catalog)
    bytes = tensors.reduce(0) { $0 + $1.bytes }
    parameters = tensors.reduce(0) { $0 + $1.shape.reduce(1, *) }
    bitsPerWeight = ReportNumber(8 * Double(bytes) / Double(parameters))
    method = ModelFile.prevailingStorage(catalog)
  }

  private static func entries(_ catalog: any TensorCatalog) -> [Entry] {
    catalog.tensorNames.compactMap { name in
      catalog.describe(name).map { description in
        Entry(
          name: name,
          storage: description.storage,
          shape: description.shape.extents,
          bytes: description.byteCount
        )
      }
    }
  }
}

extension Inspection.TokenizerFacts {
  fileprivate init(_ tokenizer: Tokenizer, stops: Set<Int32>) {
    tokens = tokenizer.vocabularyCount
    specialTokens = tokenizer.specialTokens.count
    beginToken = tokenizer.bosID.flatMap(tokenizer.token(for:))
    endToken = tokenizer.eosID.flatMap(tokenizer.token(for:))
    stopTokens = stops.sorted().map { id in
      Inspection.StopToken(id: id, text: tokenizer.token(for: id))
    }
  }
}
