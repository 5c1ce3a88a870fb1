import Autograd
import Checkpoints
import Foundation
import Tensor
import TestSupport
import Testing

func roundSTE(_ x: Variable) -> Variable {
  .custom(x.value.rounded(), input: x) { gradient in gradient }
}

final class Classifier: Module {
  let hidden: Linear
  let output: Linear

  init(using generator: inout Philox) {
    hidden = Linear(inputWidth: 4, outputWidth: 16, using: &generator)
    output = Linear(inputWidth: 16, outputWidth: 3, using: &generator)
  }

  func callAsFunction(_ x: Variable) -> Variable { output(hidden(x).relu()) }
}

/// The code of the article "From PyTorch".
@Suite struct FromPyTorchExamples {
  @Test func tensors() {
    let x = Tensor<Float>([[1, 2, 3], [4, 5, 6]])
    let y = x * Tensor([1, 10, 100]) + x.mean(axes: 1, keepingDimensions: true)
    let half = y.converted(to: BFloat16.self)
    precondition(y.shape == [2, 3] && y[1, 2].item == 605)
    #expect(half.shape == y.shape)
    var z = x
    z[.all, 0] = Tensor(scalar: -1)
    let last = x[.rest, -1]
    let columns = x[.all, .every(2)]
    let rows = x.rows(where: x[.all, 0] .> 2)
    let turned = x[.all, .newAxis].transposed(0, 2)
    #expect(z.elements == [-1, 2, 3, -1, 5, 6] && x[0, 0].item == 1)
    #expect(last.elements == [3, 6] && columns.elements == [1, 3, 4, 6])
    #expect(rows.elements == [4, 5, 6] && turned.shape == [3, 1, 2])
  }

  @Test func gradientsOfParameters() {
    let w = Parameter(Tensor([1, -2]))
    let loss = (w.variable.square() * 3).sum()
    loss.backward()
    precondition(w.gradient?.elements == [6, -12])
    let x = Variable(following: Tensor([0.4, 1.6]))
    let y = roundSTE(x)
    y.backward(from: Tensor([1, 2]))
    #expect(y.value.elements == [0, 2] && x.gradient?.elements == [1, 2])
  }

  /// Points around three corners.
  static func data(_ count: Int) -> (features: Tensor<Float>, labels: Tensor<Int32>) {
    var generator = Philox(seed: 2)
    let labels = Tensor<Int32>.integers([count], in: 0..<3, using: &generator)
    let corners = Tensor<Float>.oneHot(labels, count: 3).padded([(0, 0), (0, 1)])
    return (corners + .normal([count, 4], deviation: 0.2, using: &generator), labels)
  }

  @Test func loops() {
    let (features, labels) = Self.data(160)
    var generator = Philox(seed: 1)
    let model = Classifier(using: &generator)
    #expect(model.namedParameters().map(\.name).prefix(2) == ["hidden.weight", "hidden.bias"])
    let optimizer = AdamW(.decayingMatrices(of: model), learningRate: 3e-4, weightDecay: 0.1)
    let schedule = LearningRateSchedule.cosine(from: 3e-4, steps: 100, warmUpSteps: 10)
    let before = crossEntropy(logits: model(Variable(features)), targets: labels).item
    let data = TensorDataset(features, labels)
    var step = 0
    for (x, y) in data.batches(of: 16, order: .shuffled(seed: 1), epochs: 2) {
      let loss = crossEntropy(logits: model(Variable(x)), targets: y)
      loss.backward()
      clipGradients(of: model.parameters(), to: 1)
      optimizer.learningRate = schedule(step)
      optimizer.step()
      model.clearGradients()
      step += 1
    }
    #expect(step == 20)
    #expect(crossEntropy(logits: model(Variable(features)), targets: labels).item < before)
  }

  /// What a run of 16 steps is about.
  private struct Setting {
    let data: TensorDataset<Float, Int32>
    let model: Classifier
    let optimizer: AdamW
    let schedule = LearningRateSchedule.cosine(from: 3e-2, steps: 16)

    init() {
      let (features, labels) = FromPyTorchExamples.data(64)
      data = TensorDataset(features, labels)
      var generator = Philox(seed: 1)
      model = Classifier(using: &generator)
      optimizer = AdamW(model, learningRate: 3e-2)
    }
  }

  /// The run in the working folder, to its end.
  private static func run(_ setting: Setting) throws -> TrainingReport {
    let (data, model) = (setting.data, setting.model)
    let (optimizer, schedule) = (setting.optimizer, setting.schedule)
    var options = TrainingOptions(seed: 1)
    options.maximumGradientNorm = 1
    options.checkpointInterval = 4
    var run = TrainingRun(at: "run", model: model, optimizer: optimizer, options: options)
    run.learningRate = { schedule($0 - 1) }
    let batches = data.batches(of: 16, order: .shuffled(seed: 1), epochs: 4)
    let report = try run.train(on: batches) { batch, step in
      crossEntropy(logits: model(Variable(batch.0)), targets: batch.1)
    }
    print(report.ending, report.step, report.metrics["loss"] ?? 0)
    return report
  }

  /// The first six steps of the same run.
  private static func begin(_ setting: Setting) throws {
    var options = TrainingOptions(seed: 1)
    options.maximumGradientNorm = 1
    var run = TrainingRun(
      at: "run",
      model: setting.model,
      optimizer: setting.optimizer,
      options: options
    )
    var steps = 0
    run.learningRate = { setting.schedule($0 - 1) }
    run.progress = { steps = $0.step }
    run.shouldStop = { steps >= 6 }
    let batches = setting.data.batches(of: 16, order: .shuffled(seed: 1), epochs: 4)
    let report = try run.train(on: batches) { batch, _ in
      crossEntropy(logits: setting.model(Variable(batch.0)), targets: batch.1)
    }
    #expect(report.ending == .stopped && report.step == 6)
  }

  @Test func aRunGoesOn() async {
    await #expect(processExitsWith: .success) {
      await inFreshFolder {
        let whole = Setting()
        let report = try Self.run(whole)
        #expect(report.ending == .finished && report.step == 16 && report.resumedFrom == 0)
        try FileManager.default.removeItem(atPath: "run")
        try Self.begin(Setting())
        let rest = Setting()
        #expect(try Self.run(rest).resumedFrom == 6)
        #expect(rest.model.state() == whole.model.state())
      }
    }
  }

  @Test func states() async {
    await #expect(processExitsWith: .success) {
      await inFreshFolder {
        var generator = Philox(seed: 1)
        let model = Classifier(using: &generator)
        let before = model.state()
        try model.save(to: "model.safetensors")
        try model.load(from: "model.safetensors")
        #expect(model.state() == before)
        let x = Tensor<Float>([[1, 2], [3, 4]])
        let checkpoint = try Checkpoint(path: "model.safetensors")
        #expect(try checkpoint.tensor(named: "hidden.weight") == model.hidden.weight.value)
        try model.load(model.state())
        #expect(try model.load(model.state(), strict: false) == StateReport())
        try SafetensorsFile.write(model.state(), to: "copy.safetensors")
        try NPYFile.write(x, to: "x.npy")
        #expect(try NPYFile(path: "x.npy").shape == [2, 2])
        #expect(try CheckpointFolder(at: "run/checkpoints").steps.isEmpty)
      }
    }
  }

  @Test func rowsOfTensors() {
    var generator = Philox(seed: 1)
    let (x, y) = (
      Tensor<Float>([[1, 2, 3], [4, 5, 6]]), Tensor<Float>([[6, 5, 4], [3, 2, 1]])
    )
    var z = x
    let square = Tensor<Float>.identity(3)
    let places = Tensor<Int32>([1, 0])
    let chosen = Tensor<Int32>([[0, 2], [1, 1]])
    #expect(Tensor<Float>.zeros([2, 3]).sum() == 0 && Tensor<Float>.ones([2, 3]).sum() == 6)
    #expect(Tensor<Float>(repeating: 7, shape: [2, 3]).sum() == 42)
    #expect(Tensor<Int32>.arange(to: 4).elements == [0, 1, 2, 3])
    #expect(Tensor<Float>.linspace(from: 0, to: 1, count: 5)[1].item == 0.25)
    #expect(Float.elementType == .float32 && x.converted(to: Float16.self).elements[2] == 3)
    #expect(x.shape == [2, 3] && x.rank == 2 && x.count == 6 && x.elements.last == 6)
    #expect((x + y).elements == [7, 7, 7, 7, 7, 7] && (x * 2)[1, 0].item == 8)
    #expect(x.matmul(square) == x && x.matmul(y, transposingOther: true)[0, 0].item == 28)
    #expect(x.exp()[0, 0].item > 2.7 && x.clamped(to: 0...1).sum() == 6 && x.pow(2).max() == 36)
    #expect(x.gelu()[0, 0].item < 1 && x.sum() == 21 && x.sum(axes: 0).elements == [5, 7, 9])
    #expect(x.max(axes: 1, keepingDimensions: true).shape == [2, 1])
    #expect(x.variance(correction: 1) == 3.5 && x.logSumExp().shape == [2])
    #expect(x.argMax().elements == [2, 2] && x.softmax().argMax() == x.argMax())
    #expect(abs(x.layerNormalized().sum()) < 1e-5)
    #expect(x.reshaped(to: [3, 2]).elements == x.elements && x.permuted(1, 0) == x.transposed())
    #expect(x.expandingDimensions(at: 0).shape == [1, 2, 3])
    #expect(x.broadcast(to: [4, 2, 3]).count == 24 && x.tiled(2, 1).shape == [4, 3])
    #expect(x.repeated(2, axis: 0)[1] == x[0])
    let (joined, stacked): (Tensor<Float>, Tensor<Float>) = (
      .concatenating([x, y]), .stacking([x, y])
    )
    #expect(joined.shape == [4, 3] && stacked.shape == [2, 2, 3])
    #expect(x.split(count: 2)[1].elements == [4, 5, 6])
    #expect(x.taking(places, axis: 1)[0].elements == [2, 1])
    #expect(x.gathered(chosen, axis: 1).elements == [1, 3, 5, 5])
    #expect(x.adding(y, at: places, axis: 0)[0].elements == [4, 4, 4])
    #expect(x.topK(2).values[0].elements == [3, 2] && x.sorted(descending: true)[0, 0].item == 3)
    #expect(x.cumulativeSum(axis: 1)[1].elements == [4, 9, 15])
    #expect((x .> 0).all() && select(x .> 0, x, y) == x && maximum(x, y)[0].elements == [6, 5, 4])
    #expect(!(x == y) && !(x .== y).any())
    z += y
    #expect(z.sum() == 42)
    z.fill(0)
    #expect(z.sum() == 0)
    let image = Tensor<Float>.ones([1, 1, 4, 4])
    let kernels = Tensor<Float>.ones([2, 1, 3, 3])
    #expect(conv2d(image, weight: kernels).shape == [1, 2, 2, 2])
    let (q, k, v) = (
      Tensor<Float>.ones([1, 2, 3, 4]), Tensor<Float>.ones([1, 2, 5, 4]),
      Tensor<Float>.ones([1, 2, 5, 4])
    )
    #expect(Tensor.attention(queries: q, keys: k, values: v).shape == [1, 2, 3, 4])
    #expect(Tensor<Float>.normal([2, 3], using: &generator).count == 6)
    #expect(Tensor<Int32>.permutation(6, using: &generator).sum() == 15)
  }

  @Test func rowsOfGradientsAndModules() throws {
    var generator = Philox(seed: 1)
    let (x, y) = (Tensor<Float>([[1, 2, 3], [4, 5, 6]]), Tensor<Float>.zeros([2, 3]))
    let labels = Tensor<Int32>([2, 0])
    let v = Variable(following: x)
    let w = Parameter(x)
    #expect(v.detached().isFollowed == false && v.sum().item == 21)
    #expect(!withoutGradients { v * 2 }.isFollowed)
    #expect(gradients(of: v.sum(), by: [v])[0] == .ones([2, 3]))
    checkpointed(v) { $0.tanh() }.sum().backward()
    #expect(v.gradient != nil)
    w.isTrainable = false
    #expect(w.gradient == nil && !w.variable.isFollowed)
    w.clearGradient()
    let model = Classifier(using: &generator)
    model.freeze()
    #expect(model.parameterCount.total == 131 && model.parameterCount.trainable == 0)
    model.unfreeze()
    model.train()
    model.eval()
    #expect(model.namedParameters().count == 4 && model.parameters().count == 4)
    _ = Parameter(x)
    _ = Buffer(x)
    #expect(
      Linear(inputWidth: 4, outputWidth: 3, using: &generator).weight.shape == [3, 4]
        && Embedding(count: 9, width: 4, using: &generator).count == 9
    )
    #expect(LayerNorm(width: 4).width == 4 && RMSNorm(width: 4).width == 4)
    #expect(BatchNorm(channels: 3).weight.count == 3)
    let convolution = Conv2d(
      inputChannels: 3,
      outputChannels: 8,
      kernel: 3,
      options: .same(kernel: 3),
      using: &generator
    )
    #expect(convolution(Variable(.ones([1, 3, 5, 5]))).shape == [1, 8, 5, 5])
    #expect(Dropout(rate: 0.1, using: &generator).rate == 0.1)
    #expect(Sequential(Activation.relu, Flatten()).layers.count == 2)
    let mean = crossEntropy(logits: v, targets: labels)
    let smooth = crossEntropy(
      logits: v,
      targets: labels,
      reduction: .sum,
      options: .init(labelSmoothing: 0.1)
    )
    #expect(mean.item > 0 && smooth.item > mean.item)
    #expect(meanSquaredError(predictions: v, targets: Variable(y)).item == x.square().mean())
  }

  @Test func rowsOfOptimizersAndThreads() async throws {
    var generator = Philox(seed: 1)
    let model = Classifier(using: &generator)
    let momentum = SGD(model, learningRate: 0.1, momentum: .heavyBall(0.9))
    #expect(momentum.momentum == .heavyBall(0.9))
    #expect(Adam(model, learningRate: 1e-3).learningRate == 1e-3)
    let group = ParameterGroup(model.output, learningRateScale: 10, weightDecay: 0)
    #expect(group.parameters.count == 2)
    let optimizer = AdamW(model, learningRate: 1e-3)
    model(Variable(.ones([1, 4]))).sum().backward()
    clipGradients(of: model.parameters(), to: 1)
    optimizer.step()
    try optimizer.load(optimizer.state())
    #expect(LearningRateSchedule.linear(from: 1e-3, steps: 100)(50) == 5e-4)
    #expect(LearningRateSchedule.cosine(from: 3e-4, steps: 100, warmUpSteps: 10)(10) == 3e-4)
    var (a, b) = (generator.fork(7), generator.fork(7))
    #expect(a.next() == b.next() && Philox(seed: 1) == Philox(seed: 1))
    #expect(!WorkPool.instructionSet.isEmpty && WorkPool.threadCount > 0)
    await #expect(processExitsWith: .success) {
      WorkPool.threadCount = 2
      #expect(WorkPool.threadCount == 2)
    }
  }
}
