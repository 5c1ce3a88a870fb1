import Autograd
import Federated
import ModelSupport
import Support
import Tensor
import Transformer

/// Devices tune the step sizes of one quantized model (PEQA), each on texts of its own.
///
/// The base, its codes and everything else, lies on every device and on the server and never
/// travels: the global model is the step sizes of the layers in the blocks, a few numbers for each
/// row of a weight. Parameters are named `LAYER.scale`, as in an adapter.
///
/// Texts are cut into windows of `length` + 1 tokens; every tenth window of a text is a test example.
/// The label of a window is the number of its text, so a partition by label gives devices different
/// texts.
struct ScaleTuningTask: FederatedTask {
  /// Every so-manieth window of a text measures.
  private static let testStride = 10

  let name: String
  let model: ModelDescription
  let labels: [Int32]
  let classCount: Int
  let predictionsPerExample: Int
  private let path: String
  private let examples: TuningExamples
  private let training: [Int]
  private let test: [Int]
  private let start: ParameterSet

  /// A task over a folder with a quantized model.
  ///
  /// - Parameters:
  ///   - path: the folder.
  ///   - texts: the text files.
  ///   - name: the name of the task; nil for that of the base.
  ///   - length: the tokens that a window predicts.
  ///   - limit: at most so many windows of each text; nil uses all.
  /// - Throws: `CommandFailure` where model, texts and length do not fit; what reading throws.
  init(
    base path: String,
    texts: [String],
    name: String? = nil,
    length: Int,
    limit: Int?
  ) throws {
    let file = try ModelFile(path: path)
    let configuration = file.pretrained.configuration
    guard length <= configuration.contextLength else {
      throw CommandFailure(
        "--length \(length) exceeds the context of \(path), "
          + configuration.contextLength.counted("token")
      )
    }
    let files = try texts.map { text in
      TokenFile(
        try file.tokens(of: TextFile(path: text).text),
        vocabularyCount: configuration.vocabularyCount
      )
    }
    let base = try TunedBase(file)
    self.path = path
    self.name = name ?? "scales of \(file.name)"
    examples = TuningExamples(windowsOf: files, length: length)
    (training, test, labels) = Self.parts(files.map { ($0.count - 1) / length }, limit)
    guard !training.isEmpty, !test.isEmpty else {
      let counts = files.map(\.count)
      throw CommandFailure(
        "texts of \(counts) tokens have no \(Self.testStride) windows of \(length); choose longer "
          + "texts or a smaller --length"
      )
    }
    classCount = configuration.vocabularyCount
    predictionsPerExample = length
    start = base.parameters
    model = try base.description(length: length)
  }

  /// Which windows train and which measure, and the texts of those that train.
  private static func parts(
    _ counts: [Int],
    _ limit: Int?
  ) -> (training: [Int], test: [Int], labels: [Int32]) {
    var (training, test, labels, first) = ([Int](), [Int](), [Int32](), 0)
    for (text, count) in counts.enumerated() {
      for index in 0..<min(max(count, 0), limit ?? .max) {
        if index % testStride == testStride - 1 {
          test.append(first + index)
        } else {
          training.append(first + index)
          labels.append(Int32(text))
        }
      }
      first += max(count, 0)
    }
    return (training, test, labels)
  }

  var trainingCount: Int { training.count }
  var testCount: Int { test.count }

  /// The step sizes of the base, whatever the seed.
  func initialParameters(seed: UInt64) -> ParameterSet { start }

  /// The base with these step sizes to train; its codes are mapped, so networks share them.
  func makeNetwork(
    shapes: [String: Shape]
  ) throws(FederatedTaskError) -> any FederatedNetwork {
    let known = Dictionary(uniqueKeysWithValues: start.shapes.map { ($0.name, $0.shape) })
    guard shapes == known else {
      throw .shapes("step sizes are trained whole; choose --strategy full")
    }
    do {
      let base = try TunedBase(ModelFile(path: path))
      return ScaleTuningNetwork(base, examples, training: training, test: test)
    } catch {
      throw .data(path: path, reason: "\(error)")
    }
  }

  /// The tokens that occur in the windows.
  func presentClasses(_ numbers: [Int32]) -> [Bool] {
    var present = [Bool](repeating: false, count: classCount)
    for number in numbers {
      for token in examples.example(training[Int(number)]).tokens { present[Int(token)] = true }
    }
    return present
  }
}

/// The base on one thread.
private final class ScaleTuningNetwork: FederatedNetwork {
  private let base: TunedBase
  private let examples: TuningExamples
  private let windows: [ExamplePart: [Int]]

  init(_ base: TunedBase, _ examples: TuningExamples, training: [Int], test: [Int]) {
    (self.base, self.examples) = (base, examples)
    windows = [.training: training, .test: test]
  }

  func visitParameters(_ visitor: ModuleVisitor) { base.visit(visitor) }

  func callAsFunction(
    _ numbers: [Int32],
    of part: ExamplePart,
    scale: Float
  ) -> NetworkOutput {
    let places = windows[part] ?? []
    let batch = examples[numbers.map { places[Int($0)] }]
    return NetworkOutput(
      logits: base.model.logits(base.model.states(batch.tokens)),
      targets: batch.targets.reshaped(to: [batch.targets.count])
    )
  }
}
