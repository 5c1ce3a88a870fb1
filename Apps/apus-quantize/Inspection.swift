import Autograd
import ModelSupport
import Quantization
import Support
import Transformer

/// What a model says about itself.
struct Inspection: Encodable {
  /// A tensor of the checkpoint.
  struct Entry: Encodable {
    var name: String
    var storage: String
    var shape: [Int]
    var bytes: Int
  }

  /// An id that ends a text.
  struct StopToken: Encodable {
    var id: Int32
    var text: String?
  }

  /// What is known of the tokenizer.
  struct TokenizerFacts: Encodable {
    var tokens: Int
    var specialTokens: Int
    var beginToken: String?
    var endToken: String?
    var stopTokens: [StopToken]
  }

  var path: String
  var format: String
  /// Why this is no more than a list of tensors; nil for a model that can be run.
  var limitation: String?
  var family: String?
  var method: String
  var parameters: Int
  var bytes: Int
  var bitsPerWeight: ReportNumber
  var configuration: TransformerConfiguration?
  var quantization: QuantizationConfiguration?
  /// What another tool's folder says about its packed layers.
  var packedFormat: PackedFolderConfiguration?
  var tokenizer: TokenizerFacts?
  var tensors: [Entry]
}

// MARK: - For people

extension Inspection {
  /// The sections that a person reads.
  func text(listingTensors: Bool) -> String {
    let width = StandardStream.output.columnCount
    let sections = [
      factsText(facts),
      configuration.map { "configuration\n" + factsText(configurationFacts($0), indent: 2) },
      tokenizer.map { "tokenizer\n" + factsText(tokenizerFacts($0), indent: 2) },
      quantization.map { "quantization\n" + factsText(quantizationFacts($0), indent: 2) },
      packedFormat.map { "quantization\n" + factsText(packedFacts($0), indent: 2) },
      (listingTensors ? tensorTable : patternTable).text(width: width),
    ]
    return sections.compactMap { $0 }.joined(separator: "\n\n")
  }

  private var facts: [(String, String)] {
    let limits = limitation.map { [("only tensors", $0)] } ?? []
    return [("model", path), ("format", format)] + limits + [
      ("family", family ?? "unknown"), ("weights", method),
      ("parameters", "\(parameters.grouped) (\(shortCount(parameters)))"),
      ("bytes", "\(bytes.grouped) (\(byteCount(bytes)))"),
      ("bits per weight", bitsPerWeight.value.fixed(3)), ("tensors", tensors.count.grouped),
    ]
  }

  private func configurationFacts(_ model: TransformerConfiguration) -> [(String, String)] {
    let heads = model.keyHeadCount == model.headCount ? "" : ", \(model.keyHeadCount) for keys"
    return [
      ("vocabulary", "\(model.vocabularyCount.grouped) tokens"),
      ("context", "\(model.contextLength.grouped) tokens"),
      ("blocks", "\(model.blockCount)"),
      ("width", "\(model.hiddenWidth), \(model.feedForwardWidth) in the feed-forward network"),
      ("heads", "\(model.headCount) of width \(model.headWidth)\(heads)"),
      (
        "norms", "\(model.placement.rawValue), \(model.norm.rawValue), epsilon \(model.normEpsilon)"
      ),
      ("positions", Self.positionText(model)),
      ("head", model.tiesEmbedding ? "shares the embedding" : "has weights of its own"),
      ("biases", Self.biasText(model)),
    ]
  }

  private static func positionText(_ model: TransformerConfiguration) -> String {
    switch model.positions {
    case .rotary: "rotary, base \(model.rotaryBase), \(scalingText(model.rotaryScaling))"
    case .learned: "learned"
    case .none: "none"
    }
  }

  private static func scalingText(_ scaling: RotaryScaling) -> String {
    switch scaling {
    case .none: "not stretched"
    case .linear(let factor): "stretched by \(factor)"
    case .llama3(let factor, _, _, let length): "stretched by \(factor) from \(length) (Llama 3)"
    case .divisors: "stretched by a divisor for each frequency"
    }
  }

  private static func biasText(_ model: TransformerConfiguration) -> String {
    switch (model.hasAttentionBias, model.hasFeedForwardBias) {
    case (true, true): "attention, feed-forward network"
    case (true, false): "attention"
    case (false, true): "feed-forward network"
    case (false, false): "none"
    }
  }

  private func tokenizerFacts(_ facts: TokenizerFacts) -> [(String, String)] {
    [
      ("tokens", "\(facts.tokens.grouped), \(facts.specialTokens.grouped) special"),
      ("begins with", facts.beginToken ?? "nothing"), ("ends with", facts.endToken ?? "nothing"),
      ("stops at", facts.stopTokens.map { $0.text ?? "\($0.id)" }.joined(separator: ", ")),
    ]
  }

  private func quantizationFacts(_ settings: QuantizationConfiguration) -> [(String, String)] {
    [
      ("method", settings.method.rawValue), ("linear layers", settings.scheme.text),
      ("embedding", settings.embeddingScheme?.text ?? "in floating point"),
    ]
  }

  private func packedFacts(_ settings: PackedFolderConfiguration) -> [(String, String)] {
    let version = settings.format == .gptq ? ", version \(settings.gptqVersion.rawValue)" : ""
    return [
      ("format", settings.format.rawValue + version), ("linear layers", settings.text),
      ("embedding", "in floating point"),
    ]
  }

  private func factsText(_ facts: [(String, String)], indent: Int = 0) -> String {
    let width = facts.reduce(0) { max($0, $1.0.columnCount) }
    let margin = String(repeating: " ", count: indent)
    let lines = facts.map { name, value in
      margin + name + String(repeating: " ", count: width - name.columnCount + 2) + value.printable
    }
    return lines.joined(separator: "\n")
  }
}

// MARK: - Tensors

extension Inspection {
  private static let columns: [Table.Column] = [
    "tensor", "storage", .number("shape"), .number("bytes"),
  ]

  private var tensorTable: Table {
    var table = Table(Self.columns)
    for tensor in tensors {
      table.add(
        tensor.name,
        tensor.storage,
        Self.shapeText(tensor.shape),
        tensor.bytes.grouped
      )
    }
    return table
  }

  /// One row for the tensors that differ in their numbers only.
  private var patternTable: Table {
    var rows: [TensorPattern] = []
    var positions: [TensorPattern.Key: Int] = [:]
    for tensor in tensors {
      let key = TensorPattern.Key(tensor)
      if let position = positions[key] {
        rows[position].count += 1
        rows[position].bytes += tensor.bytes
      } else {
        positions[key] = rows.count
        rows.append(TensorPattern(key: key, count: 1, bytes: tensor.bytes))
      }
    }
    var table = Table(Self.columns + [.number("count")])
    for row in rows {
      let (key, bytes) = (row.key, row.bytes.grouped)
      table.add(key.name, key.storage, Self.shapeText(key.shape), bytes, row.count.grouped)
    }
    return table
  }

  private static func shapeText(_ shape: [Int]) -> String {
    shape.isEmpty ? "scalar" : shape.map { "\($0)" }.joined(separator: "×")
  }
}

/// Tensors whose names differ in a number, such as that of their block.
private struct TensorPattern {
  struct Key: Hashable {
    var name: String
    var storage: String
    var shape: [Int]

    init(_ tensor: Inspection.Entry) {
      let parts = tensor.name.split(separator: ".", omittingEmptySubsequences: false)
      name = parts.map { Int($0) == nil ? String($0) : "*" }.joined(separator: ".")
      storage = tensor.storage
      shape = tensor.shape
    }
  }

  var key: Key
  var count: Int
  var bytes: Int
}
