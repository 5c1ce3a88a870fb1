import Autograd
import Checkpoints
import Foundation
import Tensor
import TestSupport
import Testing
import Transformer

/// Norms, blocks and short training runs of every placement, as torch has them.
extension TransformerConformance {
  static let placementFolder = "transformer/periln"
  static func placementFiles(_ prefix: String) -> [String] {
    Fixtures.names(in: placementFolder, suffix: ".safetensors").filter { $0.hasPrefix(prefix) }
  }

  private func open(_ name: String) throws -> (file: SafetensorsFile, arguments: JSONValue) {
    let file = try SafetensorsFile(path: Fixtures.folder(Self.placementFolder) + "/" + name)
    let text = try #require(file.metadata["case"])
    return (file, try JSONValue.parse(text))
  }

  @Test func placementFixturesAreThere() {
    #expect(Self.placementFiles("norm-").count >= NormKind.allCases.count)
    #expect(Self.placementFiles("block-").count >= 2 * NormPlacement.allCases.count)
    #expect(Self.placementFiles("trace-").count >= NormPlacement.allCases.count)
  }

  @Test(arguments: placementFiles("norm-"))
  func norms(name: String) throws {
    let (file, arguments) = try open(name)
    let kinds: [String: NormKind] = [
      "layer": .layer, "layer_nobias": .layerWithoutBias, "rms": .rms, "rms_one_plus": .rmsOnePlus,
    ]
    let kind = try #require(kinds[arguments["kind"]?.stringValue ?? ""])
    let epsilon = Float(arguments["eps"]?.doubleValue ?? .nan)
    let x = Variable(following: try file.tensor(named: "x"))
    let norm = kind.layer(width: x.shape[-1], epsilon: epsilon)
    for entry in norm.namedParameters() {
      entry.parameter.value = try file.tensor(named: entry.name)
    }
    let y = norm(x)
    expectClose(y.value, try file.tensor(named: "y"), relative: 1e-5, absolute: 5e-5, name)
    y.backward(from: try file.tensor(named: "grad_y"))
    try expectGradient(x.gradient, file, "grad_x")
    for entry in norm.namedParameters() {
      try expectGradient(entry.parameter.gradient, file, "grad_" + entry.name)
    }
  }

  /// A row of tiny elements has gradients that are large by ε alone: errors are relative to them.
  private func expectGradient(
    _ found: Tensor<Float>?,
    _ file: SafetensorsFile,
    _ name: String
  ) throws {
    let expected = try file.tensor(named: name)
    let gradient = try #require(found, "\(name)")
    let scale = max(expected.abs().max(), 1)
    expectClose(gradient, expected, relative: 1e-4, absolute: 1e-5 * scale, name)
  }

  @Test(arguments: placementFiles("block-"))
  func blocks(name: String) throws {
    let (file, arguments) = try open(name)
    let text = try #require(arguments["placement"]?.stringValue)
    let placement = try #require(NormPlacement(rawValue: text))
    let isRMS = arguments["norm"]?.stringValue?.hasPrefix("RMS") == true
    let x = Variable(following: try file.tensor(named: "x"))
    let hidden = try file.tensor(named: "w.mlp.up_proj.weight").shape[0]
    let heads = try #require(arguments["heads"]?.intValue)
    let base = try #require(arguments["rope_base"]?.doubleValue)
    var generator = Philox(seed: 0)
    let block = PlacementBlock(
      placement,
      isRMS ? .rms : .layerWithoutBias,
      PlacementBlock.Shape(
        width: x.shape[-1],
        hidden: hidden,
        heads: heads,
        rotaryBase: Float(base)
      ),
      using: &generator
    )
    #expect(
      Set(block.named.map { "w." + $0.name }) == Set(file.names.filter { $0.hasPrefix("w.") })
    )
    for (name, parameter) in block.named {
      parameter.value = try file.tensor(named: "w." + name)
    }
    let y = block(x)
    expectClose(y.value, try file.tensor(named: "y"), relative: 1e-5, absolute: 5e-5, name)
    y.backward(from: try file.tensor(named: "grad_y"))
    try expectGradient(x.gradient, file, "grad_x")
    for (name, parameter) in block.named {
      try expectGradient(parameter.gradient, file, "grad." + name)
    }
  }

  @Test(arguments: placementFiles("trace-"))
  func trainingTraces(name: String) throws {
    let (file, arguments) = try open(name)
    let model = try PlacementModel(
      arguments,
      hasEmbeddingNorm: arguments["embed_norm"]?.boolValue ?? false,
      hasFinalNorm: arguments["final_norm"]?.boolValue ?? false
    )
    for (name, parameter) in model.named {
      parameter.value = try file.tensor(named: "init." + name)
    }
    let tokens = try file.tensor(named: "tokens", as: Int32.self)  // [S × B × (T+1)]
    try expectStatistics(model, tokens[0], file, "hidden_stats_start")
    let rates = try file.tensor(named: "lrs").elements
    let losses = try file.tensor(named: "losses").elements
    let norms = try file.tensor(named: "grad_norms").elements
    let optimizer = try makeOptimizer(model, arguments)
    let limit = Float(arguments["hp"]?["clip_global_norm"]?.doubleValue ?? .nan)
    for step in 0..<tokens.shape[0] {
      let batch = tokens[step]
      let loss = crossEntropy(
        logits: model(batch[.all, ..<(-1)]),
        targets: batch[.all, 1...]
      )
      #expect(abs(loss.item - losses[step]) < 2e-4, "\(name), loss of step \(step)")
      loss.backward()
      let norm = Float(clipGradients(of: model.parameters(), to: limit))
      #expect(abs(norm - norms[step]) < 2e-3 * max(norms[step], 1), "\(name), norm at \(step)")
      optimizer.learningRate = rates[step]
      optimizer.step()
      model.clearGradients()
    }
    for (name, parameter) in model.named {
      let expected = try file.tensor(named: "final." + name)
      expectClose(parameter.value, expected, absolute: 2e-3, name)
    }
    try expectStatistics(model, tokens[0], file, "hidden_stats_end")
  }

  /// AdamW with decay on matrices alone.
  private func makeOptimizer(_ model: PlacementModel, _ arguments: JSONValue) throws -> AdamW {
    let values = try #require(arguments["hp"])
    func number(_ key: String) throws -> Double { try #require(values[key]?.doubleValue) }
    let betas = (values["betas"]?.arrayValue ?? []).compactMap(\.doubleValue)
    try #require(betas.count == 2)
    let parameters = model.parameters()
    return AdamW(
      [
        ParameterGroup(parameters.filter { $0.shape.rank >= 2 }),
        ParameterGroup(parameters.filter { $0.shape.rank < 2 }, weightDecay: 0),
      ],
      betas: (betas[0], betas[1]),
      epsilon: Float(try number("eps")),
      weightDecay: Float(try number("weight_decay"))
    )
  }

  /// The mean variance over channels and the largest magnitude of the stream at each depth.
  private func expectStatistics(
    _ model: PlacementModel,
    _ tokens: Tensor<Int32>,
    _ file: SafetensorsFile,
    _ name: String
  ) throws {
    var found: [Float] = []
    withoutGradients {
      _ = model(tokens[.all, ..<(-1)]) { state in
        found += [state.variance(axes: -1).mean(), state.abs().max()]
      }
    }
    let expected = try file.tensor(named: name)
    expectClose(found, expected.elements, relative: 5e-3, absolute: 1e-4)
  }
}
