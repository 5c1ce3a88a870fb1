import Autograd
import Foundation
import Quantization
import Tensor
import Transformer

extension Suite {
  /// Steps of fine-tuning by scales alone beside those of all weights.
  static let tuning = Suite(
    name: "tuning",
    summary: "a step of PEQA, AlphaTuning and LoRA beside one of full fine-tuning: time and memory"
  ) { run in
    try TuningSuite(run: run).measure()
  }
}

/// Fine-tuning steps of a model of SmolLM2-135M's shape with random weights, against our own full
/// fine-tuning.
struct TuningSuite {
  let run: BenchRun

  /// What is trained.
  enum Method: String, CaseIterable {
    case full = "full fine-tuning"
    case peqa = "PEQA, 4 bits, rows"
    case peqaGroups = "PEQA, 4 bits, groups of 64"
    case alphaTuning = "AlphaTuning, 3 planes"
    case lowRank = "LoRA, rank 8, over 4 bits"
  }

  private static let batch = 2
  private static let length = 256
  var isQuick: Bool { run.effort.rounds < Effort.full.rounds }

  /// SmolLM2-135M; a few of its blocks where it must be quick.
  var configuration: TransformerConfiguration {
    var shape = TransformerConfiguration(
      family: .llama,
      vocabularyCount: 49_152,
      hiddenWidth: 576,
      feedForwardWidth: 1536,
      blockCount: isQuick ? 3 : 30,
      headCount: 9,
      contextLength: 2048
    )
    shape.keyHeadCount = 3
    shape.tiesEmbedding = true
    return shape
  }

  func measure() throws {
    for recomputes in [false, true] {
      let size = "\(Self.batch) × \(Self.length) tokens"
      let title = size + (recomputes ? ", recomputing blocks" : "")
      guard run.startGroup(title) else { continue }
      try measureMemory(recomputes)
      try measureTime(recomputes)
    }
    try measureServing()
  }

  /// All methods in turn, several times, so that a busy machine disturbs them alike.
  private func measureTime(_ recomputes: Bool) throws {
    let watch = Stopwatch()
    let steps = try Method.allCases.map { try makeStep($0, recomputes) }
    var samples = [Samples](repeating: Samples(), count: steps.count)
    for step in steps { step() }
    for _ in 0..<(isQuick ? 2 : 3) {
      for (index, step) in steps.enumerated() {
        samples[index].add(watch.seconds(repeats: 1, inner: 1, step))
      }
    }
    func value(_ index: Int) -> ReportRow.Value {
      ReportRow.Value(median: 1e3 * samples[index].median, best: 1e3 * samples[index].best)
    }
    for (index, method) in Method.allCases.enumerated() {
      try run.add(
        ReportRow(
          name: method.rawValue,
          unit: "ms",
          isHigherBetter: false,
          ours: value(index),
          reference: index == 0 ? nil : ("full fine-tuning", value(0)),
          share: nil,
          neighbours: nil
        )
      )
    }
  }

  /// What two steps need above the model that is there.
  private func measureMemory(_ recomputes: Bool) throws {
    var growth: [Method: Double] = [:]
    for method in Method.allCases {
      let step = try makeStep(method, recomputes)
      Self.trimHeap()
      guard let bytes = ResidentMemory.peakGrowth({ for _ in 0..<2 { step() } }) else { return }
      growth[method] = Double(bytes) / 1e6
    }
    func value(_ method: Method) -> ReportRow.Value {
      let megabytes = growth[method] ?? .nan
      return ReportRow.Value(median: megabytes, best: megabytes)
    }
    for method in Method.allCases {
      try run.add(
        ReportRow(
          name: method.rawValue + ", memory",
          unit: "MB",
          isHigherBetter: false,
          ours: value(method),
          reference: method == .full ? nil : (Method.full.rawValue, value(.full)),
          share: nil,
          neighbours: nil
        )
      )
    }
  }

  /// Gives memory back that is not in use: the next model would take it without any growth.
  private static func trimHeap() {
    MemoryPool.trim()
    typealias Trim = @convention(c) (Int) -> CInt
    guard let trim = dlsym(nil, "malloc_trim") else { return }
    _ = unsafeBitCast(trim, to: Trim.self)(0)
  }

  /// A step of a method.
  private func makeStep(_ method: Method, _ recomputes: Bool) throws -> () -> Void {
    var generator = Philox(seed: 0)
    let configuration = configuration
    let model = try DecoderModel(
      configuration,
      weights: RandomWeights(method, generator.fork(1))
    )
    let parameters: [Parameter]
    switch method {
    case .full:
      parameters = model.parameters()
    case .peqa, .peqaGroups:
      try model.usePEQA()
      parameters = try ScaleTunedLayers(of: model).parameters
    case .alphaTuning:
      try model.useAlphaTuning()
      parameters = try ScaleTunedLayers(of: model).parameters
    case .lowRank:
      _ = try model.addLowRankAdapters(rank: 8, alpha: 16, using: &generator) { _ in true }
      parameters = model.parameters().filter(\.isTrainable)
    }
    model.recomputesBlocks = recomputes
    let shape: Shape = [Self.batch, Self.length]
    let ids = Tensor.integers(
      shape,
      in: 0..<Int32(configuration.vocabularyCount),
      using: &generator
    )
    let optimizer = AdamW([ParameterGroup(parameters)], learningRate: 1e-4)
    return {
      model.loss(ids, targets: ids).backward()
      clipGradients(of: parameters, to: 1)
      optimizer.step()
      for parameter in parameters { parameter.clearGradient() }
    }
  }
}

/// Weights as each method has them, made without a dense copy of what is packed.
final class RandomWeights: WeightSource {
  private let method: TuningSuite.Method
  private var generator: Philox

  init(_ method: TuningSuite.Method, _ generator: Philox) {
    self.method = method
    self.generator = generator
  }

  func contains(_ name: String) -> Bool { true }

  func tensor(_ name: String, shape: Shape) -> Tensor<Float> { .ones(shape) }

  func parameter(_ name: String, shape: Shape, initial: Initializer) -> Parameter {
    Parameter(tensor(name, shape: shape), isTrainable: method == .full)
  }

  func linear(
    _ name: String,
    outputWidth: Int,
    inputWidth: Int,
    hasBias: Bool
  ) throws -> any LinearLayer {
    let shape: Shape = [outputWidth, inputWidth]
    if method == .full {
      return Linear(weight: Parameter(.normal(shape, deviation: 0.02, using: &generator)))
    }
    guard !name.contains("embed") else {
      let table = Tensor<Float>.normal(shape, deviation: 0.02, using: &generator)
      return FrozenLinear(weight: .float16(Tensor(converting: table)))
    }
    if method == .alphaTuning {
      let words = Tensor.integers(
        [outputWidth, 3, (inputWidth + 31) / 32],
        in: 0..<Int32.max,
        using: &generator
      )
      let matrix = BinaryCodedMatrix(
        columnCount: inputWidth,
        words: words,
        scales: Tensor(repeating: 0.01, shape: [outputWidth, 1, 3])
      )
      return BinaryCodedLinear(weight: matrix)
    }
    let scheme = try WeightScheme(
      grid: QuantizationGrid(bits: 4, isSymmetric: true),
      granularity: method == .peqaGroups ? .inputGroups(64) : .outputChannel,
      scaleType: .float32
    )
    let groups = method == .peqaGroups ? (inputWidth + 63) / 64 : 1
    var codes = Tensor<UInt8>.zeros(shape)
    codes.withUnsafeMutableElements { codes in
      for index in codes.indices { codes[index] = UInt8(generator.integer(below: 16)) }
    }
    let matrix = QuantizedMatrix(
      codes: codes,
      stepSizes: Tensor(repeating: 0.004, shape: [outputWidth, groups]),
      zeroPoints: nil,
      scheme: scheme
    )
    return PackedLinear(weight: matrix)
  }
}
