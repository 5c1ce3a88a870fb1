import Autograd
import Federated
import Tensor

/// Softmax regression or a perceptron over given vectors: `layers.0.weight`, `layers.0.bias`, …
struct VectorTask: FederatedTask {
  let name = "vectors"
  let model: ModelDescription
  let labels: [Int32]
  let classCount: Int
  let inputs: Tensor<Float>
  let widths: [Int]

  init(inputs: Tensor<Float>, labels: [Int32], hidden: [Int] = [], classCount: Int) {
    self.inputs = inputs
    self.labels = labels
    self.classCount = classCount
    widths = [inputs.shape[1]] + hidden + [classCount]
    model = .mlp(widths: widths)
  }

  /// Random vectors whose labels follow a random linear map.
  static func random(
    count: Int,
    width: Int = 6,
    hidden: [Int] = [],
    classCount: Int = 3,
    seed: UInt64 = 1
  ) -> VectorTask {
    var generator = Philox(seed: seed)
    let inputs = Tensor<Float>.normal([count, width], using: &generator)
    let map = Tensor<Float>.normal([width, classCount], using: &generator)
    let labels = inputs.matmul(map).argMax(axis: 1).elements
    return VectorTask(inputs: inputs, labels: labels, hidden: hidden, classCount: classCount)
  }

  var trainingCount: Int { labels.count }
  var testCount: Int { labels.count }

  func initialParameters(seed: UInt64) -> ParameterSet {
    var generator = Philox(seed: seed)
    return ParameterSet(of: MLP(widths: widths, using: &generator))
  }

  func makeNetwork(
    shapes: [String: Shape]
  ) throws(FederatedTaskError) -> any FederatedNetwork {
    var layers: [any LinearLayer] = []
    while let shape = shapes["layers.\(layers.count).weight"] {
      layers.append(
        Linear(weight: Parameter(.zeros(shape)), bias: Parameter(.zeros([shape[0]])))
      )
    }
    guard !layers.isEmpty else { throw .shapes("no layers in \(shapes.keys.sorted())") }
    return Network(body: MLP(layers: layers), task: self)
  }

  private final class Network: FederatedNetwork {
    let body: MLP
    private let task: VectorTask

    init(body: MLP, task: VectorTask) { (self.body, self.task) = (body, task) }

    func visitParameters(_ visitor: ModuleVisitor) { body.visitParameters(visitor) }

    func callAsFunction(
      _ examples: [Int32],
      of part: ExamplePart,
      scale: Float
    ) -> NetworkOutput {
      NetworkOutput(
        logits: body(Variable(task.inputs.rows(examples))),
        targets: Tensor(examples.map { task.labels[Int($0)] })
      )
    }
  }
}

/// The numbers 0 ..< count.
func allExamples(_ count: Int) -> [Int32] { (0..<Int32(count)).map { $0 } }

extension ParameterSet {
  /// All elements in order.
  var flat: [Float] { tensors.flatMap(\.elements) }
}
