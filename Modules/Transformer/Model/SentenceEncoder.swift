public import Tensor

/// Texts to vectors: an encoder of sentences with its tokenizer.
///
///     let encoder = try SentenceEncoder(PretrainedModel(at: URL(filePath: "all-MiniLM-L6-v2")))
///     let found = encoder(["It is a truth universally acknowledged.", "The tensor is contiguous."])
///     found.vectors                                                    // [2 × 384]
///
/// A text's vector is the mean of its tokens' states at length 1, special tokens included. Texts are
/// sorted by length, so that those of a batch need little padding; the order of the result is that of
/// the texts.
///
/// - Shapes: N texts to [N × D].
/// - Source: Reimers and Gurevych 2019, "Sentence-BERT", mean pooling.
/// - Complexity: as the encoder, over the tokens of each batch's longest text.
public struct SentenceEncoder {
  /// The encoder.
  public let model: EncoderModel
  /// What makes tokens of texts.
  public let tokenizer: Tokenizer

  /// The vectors of texts.
  public struct Embedding: Sendable {
    /// A row for each text [N × D].
    public var vectors: Tensor<Float>
    /// The texts of which the end did not fit into the model's context, in ascending order.
    public var cutTexts: [Int]
  }

  /// An encoder with its tokenizer.
  public init(model: EncoderModel, tokenizer: Tokenizer) {
    (self.model, self.tokenizer) = (model, tokenizer)
  }

  /// The encoder and the tokenizer of a model on disk.
  ///
  /// - Throws: `ModelError` if the model is a decoder, is quantized or has no tokenizer;
  ///   `CheckpointError` if a tensor is missing or shaped otherwise.
  public init(_ pretrained: PretrainedModel) throws {
    let tokenizer = try pretrained.requireTokenizer()
    self.init(model: try pretrained.makeEncoder(), tokenizer: tokenizer)
  }

  /// D, the width of a vector.
  public var width: Int { model.configuration.hiddenWidth }

  /// The ids of a text, special tokens included, and whether its end was cut off.
  ///
  /// A text that is too long keeps the special token that ends it, as the reference's truncation does.
  public func ids(of text: String) -> (ids: [Int32], isCut: Bool) {
    let ids = tokenizer.encode(text)
    let limit = model.configuration.contextLength
    guard ids.count > limit else { return (ids, false) }
    guard let last = ids.last, limit > 1, tokenizer.isSpecial(last) else {
      return (Array(ids.prefix(limit)), true)
    }
    return (ids.prefix(limit - 1) + [last], true)
  }

  /// The vectors of texts.
  ///
  /// - Parameters:
  ///   - texts: N texts; one without tokens gets zeros.
  ///   - batchSize: the texts of a pass.
  ///   - progress: gets the number of texts done after each batch; false stops.
  /// - Returns: a row for each text, in their order; zeros for those that a stop has left out.
  public func callAsFunction(
    _ texts: [String],
    batchSize: Int = 32,
    progress: (_ done: Int) -> Bool = { _ in true }
  ) -> Embedding {
    expect(batchSize > 0, "sentence encoder: a batch of \(batchSize) texts")
    let tokens = texts.map { ids(of: $0) }
    let order = tokens.indices.sorted { a, b in
      (tokens[a].ids.count, a) < (tokens[b].ids.count, b)
    }
    var vectors = Tensor<Float>.zeros([texts.count, width])
    for start in stride(from: 0, to: order.count, by: batchSize) {
      let batch = order[start..<min(start + batchSize, order.count)]
      let found = model.sentenceEmbeddings(batch.map { tokens[$0].ids })  // [batch, D]
      vectors.set(found, atRows: Array(batch))
      if !progress(start + batch.count) { break }
    }
    return Embedding(vectors: vectors, cutTexts: tokens.indices.filter { tokens[$0].isCut })
  }
}

extension Tensor where Element == Float {
  /// Puts the rows of a matrix at other places of this one.
  fileprivate mutating func set(_ rows: Tensor<Float>, atRows places: [Int]) {
    let width = shape[1]
    withUnsafeMutableElements { target in
      rows.withUnsafeElements { source in
        for (row, place) in places.enumerated() {
          for column in 0..<width { target[place * width + column] = source[row * width + column] }
        }
      }
    }
  }
}
