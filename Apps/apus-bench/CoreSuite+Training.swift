import Autograd
import Checkpoints
import Tensor

// MARK: - Operations with their gradients

extension CoreSuite {
  /// Tiny operations that are recorded: what a node of the tape costs.
  func measureTape() throws {
    run.startGroup("tape, 8×8")
    let (a, b) = (Parameter(random([8, 8])), Parameter(random([8, 8])))
    func measure(_ operation: String, _ call: @escaping () -> Void) throws {
      let count = 100
      try run.measure(
        BenchCase(
          name: "\(count) × \(operation)",
          metric: .microseconds,
          peer: [
            "kind": "training", "name": "tape", "operation": .string(operation),
            "count": .integer(Int64(count)),
          ],
          call: call
        )
      )
    }
    try measure("add") {
      for _ in 0..<100 { keep(a.variable + b.variable) }
    }
    try measure("matmul") {
      for _ in 0..<100 { keep(a.variable.matmul(b.variable)) }
    }
    try measure("chain") {
      var x = a.variable
      for _ in 0..<100 { x = x * b.variable + a.variable }
      x.sum().backward()
      a.clearGradient()
      b.clearGradient()
    }
  }

  /// Row operations, forward and backward.
  func measureRowGradients() throws {
    for (rows, size) in [(64, "64 Ki"), (4096, "4 Mi")] {
      run.startGroup("forward and backward, \(size) elements")
      let width = 1024
      let x = Parameter(random([rows, width]))
      let (w, b) = (Parameter(random([width])), Parameter(random([width])))
      let gradient = random([rows, width])
      var generator = Philox(seed: 1)
      let targets = Tensor.integers([rows], in: 0..<Int32(width), using: &generator)
      func measure(_ name: String, _ operation: String, _ forward: @escaping () -> Variable) throws
      {
        try run.measure(
          BenchCase(
            name: name,
            metric: .microseconds,
            peer: [
              "kind": "training", "name": "rows", "operation": .string(operation),
              "count": .integer(Int64(rows)), "width": .integer(Int64(width)),
            ]
          ) {
            let y = forward()
            y.backward(from: y.count == 1 ? nil : gradient)
            for parameter in [x, w, b] { parameter.clearGradient() }
          }
        )
      }
      try measure("gelu", "gelu") { x.variable.gelu(.tanh) }
      try measure("softmax", "softmax") { x.variable.softmax() }
      try measure("layer-norm", "layer_norm") {
        x.variable.layerNormalized(weight: w.variable, bias: b.variable)
      }
      try measure("rms-norm", "rms_norm") {
        x.variable.rmsNormalized(weight: w.variable, epsilon: 1e-5)
      }
      try measure("cross-entropy", "cross_entropy") {
        crossEntropy(logits: x.variable, targets: targets)
      }
    }
  }

  /// Convolutions forward and backward, of the shapes that an autoencoder of small images has.
  func measureConvolutions() throws {
    run.startGroup("convolutions, kernel 4, stride 2, padding 1, forward and backward")
    // Channels in and out, and the side of the input.
    let shapes = [(1, 32, 28), (3, 32, 32), (32, 64, 14), (32, 64, 16), (64, 128, 8)]
    for (inputs, outputs, size) in shapes {
      try measureConvolution(inputs: inputs, outputs: outputs, size: size, isTransposed: false)
      try measureConvolution(
        inputs: outputs,
        outputs: inputs,
        size: size / 2,
        isTransposed: true
      )
    }
  }

  private func measureConvolution(
    inputs: Int,
    outputs: Int,
    size: Int,
    isTransposed: Bool
  ) throws {
    let batch = 64
    let x = Parameter(random([batch, inputs, size, size]))
    let kernel: Shape = isTransposed ? [inputs, outputs, 4, 4] : [outputs, inputs, 4, 4]
    let (weight, bias) = (Parameter(random(kernel)), Parameter(random([outputs])))
    let options = ConvolutionOptions(stride: 2, padding: 1)
    func forward() -> Variable {
      isTransposed
        ? convTranspose2d(
          x.variable,
          weight: weight.variable,
          bias: bias.variable,
          options: options
        )
        : conv2d(x.variable, weight: weight.variable, bias: bias.variable, options: options)
    }
    let gradient = random(forward().shape)
    let places = isTransposed ? size * size : size * size / 4
    let operations = 6 * Double(batch * inputs * outputs * 16 * places)
    try run.measure(
      BenchCase(
        name: "\(isTransposed ? "transposed " : "")\(inputs) to \(outputs), \(size)²",
        metric: .flops(operations),
        bound: .arithmetic(operations),
        peer: [
          "kind": "training", "name": "convolution", "batch": .integer(Int64(batch)),
          "inputs": .integer(Int64(inputs)), "outputs": .integer(Int64(outputs)),
          "size": .integer(Int64(size)), "kernel": 4, "stride": 2, "padding": 1,
          "transposed": .bool(isTransposed),
        ]
      ) {
        forward().backward(from: gradient)
        for parameter in [x, weight, bias] { parameter.clearGradient() }
      }
    )
  }
}

// MARK: - A training step

extension CoreSuite {
  private static let models = [
    TrainingModel(name: "10M", layers: 6, width: 320, heads: 5, vocabulary: 4096),
    TrainingModel(name: "30M", layers: 8, width: 512, heads: 8, vocabulary: 8192),
  ]

  /// Steps of a GPT with AdamW: tokens per second, and the peak of memory.
  func measureTraining() throws {
    guard run.startGroup("training steps, 8 × 256 tokens") else { return }
    for size in Self.models {
      let arguments: JSONObject = [
        "layers": .integer(Int64(size.layers)), "width": .integer(Int64(size.width)),
        "heads": .integer(Int64(size.heads)), "vocabulary": .integer(Int64(size.vocabulary)),
        "length": .integer(Int64(size.length)), "batch": .integer(Int64(size.batch)),
      ]
      var memory = arguments
      memory["name"] = "training_memory"
      memory["steps"] = 3
      try run.measurePeak("GPT \(size.name)", peer: memory) {
        let step = try size.makeStep()
        for _ in 0..<3 { step() }
      }
      var peer = arguments
      peer["kind"] = "training"
      peer["name"] = "gpt"
      let step = try size.makeStep()
      try run.measure(
        BenchCase(
          name: "GPT \(size.name)",
          metric: .tokens(Double(size.batch * size.length)),
          peer: peer,
          call: step
        )
      )
    }
  }
}
