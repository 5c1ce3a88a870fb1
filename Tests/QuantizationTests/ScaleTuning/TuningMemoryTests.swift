import Foundation
import Quantization
import TestSupport
import Testing

/// The tables of PEQA and AlphaTuning from the shapes of their models.
@Suite struct TuningMemoryTests {
  private typealias Layer = TuningMemory.Layer

  private static func square(_ name: String, _ width: Int) -> Layer {
    Layer(name: name, outputWidth: width, inputWidth: width)
  }

  /// Attention of width h and an MLP of width f, as every model here has.
  private static func block(_ h: Int, _ f: Int, isGated: Bool) -> [Layer] {
    let attention = ["q", "k", "v", "o"].map { square($0, h) }
    let inner = isGated ? ["gate", "up"] : ["up"]
    return attention + inner.map { Layer(name: $0, outputWidth: f, inputWidth: h) }
      + [Layer(name: "down", outputWidth: h, inputWidth: f)]
  }

  private static func model(
    _ count: Int,
    _ block: [Layer],
    others: Int,
    _ type: ScaleType = .float16
  ) -> TuningMemory {
    TuningMemory(
      layers: (0..<count).flatMap { _ in block },
      otherCount: others,
      floatType: type
    )
  }

  /// Untied embeddings of 32 000 tokens, two norms a block and one at the end.
  private static func llama(_ h: Int, _ f: Int, _ count: Int) -> TuningMemory {
    model(count, block(h, f, isGated: true), others: 2 * 32_000 * h + (2 * count + 1) * h)
  }

  /// Tied embeddings, positions, 13 h of norms and biases a block, a norm at the end.
  private static func gpt2(
    _ h: Int,
    _ count: Int,
    tokens: Int,
    positions: Int
  ) -> TuningMemory {
    let others = (tokens + positions) * h + count * 13 * h + 2 * h
    return model(count, block(h, 4 * h, isGated: false), others: others, .float32)
  }

  /// Whether a number rounds to what a table prints, to that many digits after the point.
  private func expectPrinted(
    _ value: Double,
    _ cell: Double,
    _ digits: Int,
    _ comment: String,
    sourceLocation: SourceLocation = #_sourceLocation
  ) {
    let bound = 0.5 * pow(10, -Double(digits)) * (1 + 1e-6)
    #expect(abs(value - cell) <= bound, "\(comment): \(value)", sourceLocation: sourceLocation)
  }

  struct PEQARow: Sendable, CustomTestStringConvertible {
    var name: String
    var model: TuningMemory
    /// In billions; trained numbers in millions; sizes in GB.
    var linear: Double
    var peqa: Double
    var lora: Double
    var sizes: [Double]
    var testDescription: String { name }
  }

  static let peqaRows: [PEQARow] = [
    // h = 2560: biases of the output and of the MLP, two norms; a tied head.
    PEQARow(
      name: "GPT-Neo 2.7B",
      model: model(
        32,
        block(2560, 10_240, isGated: false),
        others: (50_257 + 2048) * 2560 + 32 * 10 * 2560 + 2 * 2560
      ),
      linear: 2.517,
      peqa: 0.74,
      lora: 1.31,
      sizes: [5.30, 1.53, 1.21]
    ),
    // h = 4096: biases of the MLP, one norm; a head of its own, with a bias.
    PEQARow(
      name: "GPT-J 6B",
      model: model(
        28,
        block(4096, 16_384, isGated: false),
        others: 2 * 50_400 * 4096 + 50_400 + 28 * 7 * 4096 + 2 * 4096
      ),
      linear: 5.637,
      peqa: 1.03,
      lora: 1.84,
      sizes: [12.10, 3.65, 2.94]
    ),
    PEQARow(
      name: "LLaMA-7B",
      model: llama(4096, 11_008, 32),
      linear: 6.476,
      peqa: 1.36,
      lora: 2.10,
      sizes: [13.48, 3.77, 2.96]
    ),
    PEQARow(
      name: "LLaMA-13B",
      model: llama(5120, 13_824, 40),
      linear: 12.688,
      peqa: 2.13,
      lora: 3.28,
      sizes: [26.03, 7.01, 5.42]
    ),
    PEQARow(
      name: "LLaMA-30B",
      model: llama(6656, 17_920, 60),
      linear: 32.102,
      peqa: 4.15,
      lora: 6.39,
      sizes: [65.06, 16.92, 12.90]
    ),
    // With zero points of 16 bits the size at 4 bits is 33.46, but four other cells are off then.
    PEQARow(
      name: "LLaMA-65B",
      model: llama(8192, 22_016, 80),
      linear: 64.760,
      peqa: 6.80,
      lora: 10.49,
      sizes: [130.57, 33.45, 25.35]
    ),
  ]

  @Test(arguments: peqaRows) func peqaTable(row: PEQARow) {
    let model = row.model
    expectPrinted(Double(model.linearCount) / 1e9, row.linear, 3, "linear weights")
    let lora = model.lora(rank: 4) { ["q", "v"].contains($0.name) }
    expectPrinted(Double(lora.trainedCount) / 1e6, row.lora, 2, "LoRA")
    expectPrinted(Double(model.full().weightBytes) / 1e9, row.sizes[0], 2, "fp16")
    for (bits, size) in [(4, row.sizes[1]), (3, row.sizes[2])] {
      let peqa = model.peqa(bits: bits)
      expectPrinted(Double(peqa.trainedCount) / 1e6, row.peqa, 2, "PEQA")
      expectPrinted(Double(peqa.weightBytes) / 1e9, size, 2, "\(bits) bits")
    }
  }

  @Test(arguments: [(256, 25.3, 3.83), (128, 50.6, 3.89), (64, 101.2, 4.02)])
  func groupsOfLlama(size: Int, scales: Double, bytes: Double) {
    let row = Self.llama(4096, 11_008, 32).peqa(bits: 4, groupSize: size)
    expectPrinted(Double(row.trainedCount) / 1e6, scales, 1, "scales")
    expectPrinted(Double(row.weightBytes) / 1e9, bytes, 2, "size")
  }

  @Test func optimizerStatesOfTheLargestLlama() {
    let model = Self.llama(8192, 22_016, 80)
    let peqa = model.peqa(bits: 4)
    expectPrinted(Double(peqa.optimizerBytes) / 1e6, 54, 0, "PEQA, moments")
    expectPrinted(Double(peqa.gradientBytes) / 1e6, 27, 0, "PEQA, gradients")
    expectPrinted(Double(peqa.masterBytes) / 1e6, 27, 0, "PEQA, masters")
    let lora = model.lora(rank: 4) { ["q", "v"].contains($0.name) }
    expectPrinted(Double(lora.optimizerBytes) / 1e6, 84, 0, "LoRA, moments")
    expectPrinted(Double(model.full().optimizerBytes) / 1e9, 522, 0, "full, moments")
    // A task of LLaMA-7B in half precision: 2.7 MB.
    let task = Self.llama(4096, 11_008, 32).peqa(bits: 4).taskBytes
    expectPrinted(Double(task) / 1e6, 2.7, 1, "task")
  }

  @Test(arguments: [
    (3, 1, 1.0, 12.58, [0.41, 0.81, 1.22, 1.62]), (1, 1, 1, 4.19, [0.14, 0.27, 0.41, 0.54]),
    (4, 1, 1, 16.78, [0.54, 1.08, 1.62, 2.16]), (1, 4, 4, 16.78, [0.53, 1.06, 1.59, 2.11]),
    (1, 4, 1, 16.78, [0.54, 1.08, 1.62, 2.16]), (1, 4, 0.5, 16.78, [0.56, 1.11, 1.67, 2.23]),
  ])
  func alphaTuningLayers(
    outputs: Int,
    inputs: Int,
    group: Double,
    full: Double,
    sizes: [Double]
  ) {
    let h = 1024
    let layer = Layer(name: "layer", outputWidth: outputs * h, inputWidth: inputs * h)
    let model = TuningMemory(layers: [layer], otherCount: 0, floatType: .float32)
    expectPrinted(Double(model.full().weightBytes) / 1e6, full, 2, "float32")
    for (planes, size) in zip(1..., sizes) {
      let row = model.alphaTuning(planes: planes, groupSize: Int(group * Double(h)))
      expectPrinted(Double(row.weightBytes) / 1e6, size, 2, "\(planes) planes")
      guard inputs == 1 else { continue }
      let ratio = Double(model.full().weightBytes) / Double(row.weightBytes)
      let expected = [31, 15.5, 10.3, 7.8][planes - 1]
      expectPrinted(ratio, expected, planes == 1 ? 0 : 1, "\(planes) planes, ratio")
    }
  }

  struct AlphaRow: Sendable, CustomTestStringConvertible {
    var name: String
    var model: TuningMemory
    var parameters: Double
    var full: Double
    var trained: Double
    /// In MB, with the digits after the point.
    var task: (Double, Int)
    var sizes: [Double?]
    var reduction: Double
    var testDescription: String { name }
  }

  static let alphaRows: [AlphaRow] = [
    AlphaRow(
      name: "GPT-2 M",
      model: gpt2(1024, 24, tokens: 50_257, positions: 1024),
      parameters: 354.8,
      full: 1419,
      trained: 0.221,
      task: (0.88, 2),
      sizes: [250, 289, 327, 366],
      reduction: 1604
    ),
    AlphaRow(
      name: "GPT-2 L",
      model: gpt2(1280, 36, tokens: 50_257, positions: 1024),
      parameters: 774.0,
      full: 3096,
      trained: 0.415,
      task: (1.66, 2),
      sizes: [355, 445, 535, 625],
      reduction: 1866
    ),
    AlphaRow(
      name: "OPT-1.3B",
      model: gpt2(2048, 24, tokens: 50_272, positions: 2050),
      parameters: 1315.8,
      full: 5263,
      trained: 0.442,
      task: (1.8, 1),
      sizes: [nil, 737, 889, 1042],
      reduction: 2974
    ),
  ]

  @Test(arguments: alphaRows) func alphaTuningModels(row: AlphaRow) {
    let model = row.model
    expectPrinted(Double(model.parameterCount) / 1e6, row.parameters, 1, "parameters")
    expectPrinted(Double(model.full().weightBytes) / 1e6, row.full, 0, "float32")
    for (planes, size) in zip(1..., row.sizes) {
      let alpha = model.alphaTuning(planes: planes)
      expectPrinted(Double(alpha.trainedCount) / 1e6, row.trained, 3, "trained")
      expectPrinted(Double(alpha.taskBytes) / 1e6, row.task.0, row.task.1, "task")
      let reduction = Double(model.parameterCount) / Double(alpha.trainedCount)
      expectPrinted(reduction, row.reduction, 0, "reduction")
      #expect(alpha.masterBytes == 0)
      if let size { expectPrinted(Double(alpha.weightBytes) / 1e6, size, 0, "\(planes) planes") }
    }
  }

  @Test func rowsAddUpAndEncode() throws {
    let row = Self.llama(64, 128, 2).peqa(bits: 4, groupSize: 48)
    // 2 · (4 · 64 + 2 · 128) rows of two groups, 2 · 64 rows of three.
    #expect(row.trainedCount == 2 * (4 * 64 + 2 * 128) * 2 + 2 * 64 * 3)
    #expect(row.totalBytes == row.weightBytes + 16 * row.trainedCount)
    #expect(row.method == "PEQA, 4 bits, groups of 48")
    let data = try JSONEncoder().encode(row)
    #expect(try JSONDecoder().decode(TuningMemory.Row.self, from: data) == row)
  }

  /// What trains may be stored otherwise than what stays.
  @Test func whatTrainsHasATypeOfItsOwn() {
    let layer = Layer(name: "a", outputWidth: 8, inputWidth: 64)
    let model = TuningMemory(
      layers: [layer],
      otherCount: 100,
      floatType: .float16,
      trainedType: .float32
    )
    let peqa = model.peqa(bits: 4, groupSize: 32)
    #expect(peqa.weightBytes == 8 * 64 / 2 + 2 * 100 + 4 * 16 + 16 / 2)
    #expect(peqa.masterBytes == 0 && peqa.taskBytes == 64)
    #expect(model.full().weightBytes == 4 * (100 + 512) && model.full().masterBytes == 0)
    #expect(model.lora(rank: 2) { _ in true }.weightBytes == 2 * 612 + 4 * 2 * 72)
    // A group that is wider than any row is the row.
    #expect(model.peqa(bits: 4, groupSize: .max).trainedCount == 8)
  }
}
