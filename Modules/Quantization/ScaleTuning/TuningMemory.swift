import Tensor

/// What a model takes while it is tuned, computed from the shapes of its linear layers.
///
/// Kept numbers take `floatType`, scales and adapters `trainedType`. Gradients and the two moments of
/// Adam are float32, and so is a master copy of whatever trains where `trainedType` is narrower:
///
///     PEQA         weights = Σ N·K·b/8 + F·others + T·#s + #z·b/8    trained: s, one per group
///     AlphaTuning  weights = Σ q·(N·K/8 + T·#groups) + F·others      trained: the first α of a group
///     LoRA         weights = F·all + T·trained                       trained: rank·(N + K) per layer
///     full         weights = T·all                                   trained: all
///
/// with F the bytes of `floatType` and T those of `trainedType`, in the papers both 2.
///
/// - Source: the memory tables of PEQA (Kim et al. 2023) and AlphaTuning (Kwon et al. 2022).
/// - Choice: zero points are counted in b bits each, which gives PEQA's sizes for groups too.
public struct TuningMemory: Codable, Hashable, Sendable {
  /// A linear layer.
  public struct Layer: Codable, Hashable, Sendable {
    /// Its name.
    public var name: String
    /// N.
    public var outputWidth: Int
    /// K.
    public var inputWidth: Int

    /// A layer [N × K].
    public init(name: String, outputWidth: Int, inputWidth: Int) {
      self.name = name
      self.outputWidth = outputWidth
      self.inputWidth = inputWidth
    }

    var count: Int { outputWidth * inputWidth }

    /// The groups of inputs of all rows; nil for whole rows.
    func groupCount(_ size: Int?) -> Int {
      guard let size else { return outputWidth }
      expect(size > 0, "tuning memory: a group of \(size) weights is empty")
      return outputWidth * ((inputWidth - 1) / size + 1)
    }
  }

  /// One method's bytes: a row of a table.
  public struct Row: Codable, Hashable, Sendable {
    /// The method with its settings, for people.
    public var method: String
    /// The numbers that train.
    public var trainedCount: Int
    /// Weights as they are stored while they train, adapters included.
    public var weightBytes: Int
    /// Gradients of what trains.
    public var gradientBytes: Int
    /// Adam's two moments.
    public var optimizerBytes: Int
    /// The float32 copy of what trains; 0 where it is stored so anyway.
    public var masterBytes: Int
    /// What one task needs beside the shared model: the trained numbers as stored.
    public var taskBytes: Int

    /// Everything that is resident, without activations.
    public var totalBytes: Int { weightBytes + gradientBytes + optimizerBytes + masterBytes }
  }

  /// The linear layers that a method may quantize or adapt.
  public var layers: [Layer]
  /// All other parameters: embeddings, head, norms, biases.
  public var otherCount: Int
  /// How numbers that stay floats are stored.
  public var floatType: ScaleType
  /// How scales and whatever trains are stored.
  public var trainedType: ScaleType

  /// A model of these layers; what trains is stored as the rest is, unless said otherwise.
  public init(
    layers: [Layer],
    otherCount: Int,
    floatType: ScaleType = .float16,
    trainedType: ScaleType? = nil
  ) {
    self.layers = layers
    self.otherCount = otherCount
    self.floatType = floatType
    self.trainedType = trainedType ?? floatType
  }

  /// The parameters of the linear layers.
  public var linearCount: Int { layers.reduce(0) { $0 + $1.count } }
  /// All parameters.
  public var parameterCount: Int { linearCount + otherCount }

  /// All parameters train.
  public func full() -> Row {
    row("full", trained: parameterCount, weightBytes: parameterCount * trainedType.byteCount)
  }

  /// LoRA: W + B A with A [rank × K] and B [N × rank] on the layers that `isAdapted` picks.
  public func lora(rank: Int, where isAdapted: (Layer) -> Bool) -> Row {
    let trained = layers.filter(isAdapted).reduce(0) {
      $0 + rank * ($1.outputWidth + $1.inputWidth)
    }
    let bytes = parameterCount * floatType.byteCount + trained * trainedType.byteCount
    return row("LoRA, rank \(rank)", trained: trained, weightBytes: bytes)
  }

  /// PEQA: codes of `bits` bits whose step sizes train.
  ///
  /// - Parameters:
  ///   - bits: b.
  ///   - groupSize: the inputs that share a step size; nil for whole rows.
  /// - Returns: the bytes of all parts.
  public func peqa(bits: Int, groupSize: Int? = nil) -> Row {
    let groups = layers.reduce(0) { $0 + $1.groupCount(groupSize) }
    let floats = otherCount * floatType.byteCount + groups * trainedType.byteCount
    let codes = layers.reduce(0) { $0 + bytes($1.count, bits: bits) }
    return row(
      "PEQA, \(bits) bits, " + Self.grouping(groupSize),
      trained: groups,
      weightBytes: codes + floats + bytes(groups, bits: bits)
    )
  }

  /// AlphaTuning: binary codes of which the scales of the first planes train.
  ///
  /// - Parameters:
  ///   - planes: q.
  ///   - groupSize: the inputs that share scales; nil for whole rows.
  ///   - trainedPlanes: how many of the q scales of a group train.
  /// - Returns: the bytes of all parts.
  public func alphaTuning(planes: Int, groupSize: Int? = nil, trainedPlanes: Int = 1) -> Row {
    expect(
      0...planes ~= trainedPlanes,
      "tuning memory: \(trainedPlanes) of \(planes) planes cannot train"
    )
    let groups = layers.reduce(0) { $0 + $1.groupCount(groupSize) }
    let floats = otherCount * floatType.byteCount + planes * groups * trainedType.byteCount
    let signs = layers.reduce(0) { $0 + bytes($1.count, bits: planes) }
    return row(
      "AlphaTuning, \(planes) plane\(planes == 1 ? "" : "s"), " + Self.grouping(groupSize),
      trained: trainedPlanes * groups,
      weightBytes: signs + floats
    )
  }

  private static func grouping(_ size: Int?) -> String { size.map { "groups of \($0)" } ?? "rows" }

  private func bytes(_ count: Int, bits: Int) -> Int { (count * bits + 7) / 8 }

  private func row(_ method: String, trained: Int, weightBytes: Int) -> Row {
    Row(
      method: method,
      trainedCount: trained,
      weightBytes: weightBytes,
      gradientBytes: 4 * trained,
      optimizerBytes: 8 * trained,
      masterBytes: trainedType == .float32 ? 0 : 4 * trained,
      taskBytes: trained * trainedType.byteCount
    )
  }
}
