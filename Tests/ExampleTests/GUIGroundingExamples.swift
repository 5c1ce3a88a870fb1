import Autograd
import GUIGrounding
import Quantization
import Tensor
import TestSupport
import Testing

/// Points at the middle of what is red.
private struct RedPolicy: GroundingPolicy {
  let name = "red"

  func viewSize(for image: PixelSize) -> PixelSize { image }

  func sample(
    _ request: GroundingRequest,
    count: Int,
    options: GroundingSampling
  ) -> [GroundingSample] {
    let image = request.image
    var (x, y, sum) = (0.0, 0.0, 0.0)
    for row in 0..<image.size.height {
      for column in 0..<image.size.width where image[x: column, y: row].green == 0 {
        (x, y, sum) = (x + Double(column) + 0.5, y + Double(row) + 0.5, sum + 1)
      }
    }
    let point = sum > 0 ? GroundingPoint(x: x / sum, y: y / sum) : nil
    return (0..<count).map { _ in GroundingSample(text: "", point: point, formatOK: true) }
  }
}

/// The code of the page of the module GUIGrounding.
@Suite struct GUIGroundingExamples {
  @Test func aPointIsSearchedFor() async {
    await #expect(processExitsWith: .success) {
      await inFreshFolder {
        let box = GroundingBox(x0: 300, y0: 200, x1: 340, y1: 220)
        var screenshot = RGBImage(size: PixelSize(width: 640, height: 480), color: .white)
        screenshot.fill(box, Pen(RGBColor(255, 0, 0)))
        let policy = RedPolicy()
        var clicks: [GroundingPoint] = []
        func click(_ x: Double, _ y: Double) { clicks.append(GroundingPoint(x: x, y: y)) }
        let search = SpatialSearch()
        let result = try await search.run(policy, image: screenshot, instruction: "open mail")
        if let point = result.point { click(point.x, point.y) }
        try SearchPicture().draw(on: screenshot, result).write(to: "search.png")
        #expect(clicks.count == 1 && box.contains(clicks[0]) && result.cost.calls == 32)
        #expect(try RGBImage(contentsOf: "search.png").size == screenshot.size)
      }
    }
  }

  @Test func aGroupTeaches() {
    var generator = Philox(seed: 1)
    let rewards: [Double] = [1, 0, 0, 1, 0, 0, 0, 0]
    let tokens = Tensor<Int32>.integers([8, 3], in: 0..<5, using: &generator)
    let mask = Tensor(repeating: true, shape: [8, 3])
    let logits = Variable(following: .normal([8, 3, 5], using: &generator))
    var settings = GRPOSettings()
    settings.groupSize = 4  // answers to each page
    let groups = GroupAdvantages(rewards: rewards, settings: settings)
    let batch = GRPOBatch(tokens: tokens, mask: mask, groups: groups, settings: settings)
    let (loss, metrics) = grpoLoss(logits: logits, batch: batch, settings: settings)
    loss.backward()
    print(loss.item, metrics.entropy ?? 0, groups.deadGroupShare)
    #expect(groups.deadGroupShare == 0.5 && metrics.tokenCount == 24)
    let gradient = logits.gradient ?? .zeros([8, 3, 5])
    // A step downhill makes tokens of the better answers likelier; the second group says nothing.
    for row in 0..<4 {
      let slope = gradient[row, 0, Int(tokens[row, 0].item)].item
      #expect(rewards[row] == 1 ? slope < 0 : slope > 0)
    }
    #expect(gradient[4...].abs().max() == 0)
  }

  @Test func aPolicyOfCodes() async {
    await #expect(processExitsWith: .success) {
      await inFreshFolder {
        var generator = Philox(seed: 1)
        let dense = NativeGroundingPolicy(
          NativePolicyConfiguration(width: 16, blockCount: 1),
          using: &generator
        )
        try Self.write(dense, to: "policy-w4.safetensors")
        func read() throws -> NativeGroundingPolicy? {
          var result: NativeGroundingPolicy?
          func open() throws {
            let file = try NativePolicyFile(path: "policy-w4.safetensors")
            guard let document = file.quantization else { return }
            let weights = QuantizedWeights(
              file.tensors,
              configuration: try QuantizationConfiguration(document: document, path: file.path),
              embeddings: [],
              dense: file
            )
            let policy = try NativeGroundingPolicy(file, layers: InterleavedWeights(weights))
            result = policy
          }
          try open()
          return result
        }
        let layers = try read()?.namedLinearLayers() ?? []
        #expect(!layers.isEmpty && layers.allSatisfy { !($0.layer is Linear) })
        #expect(layers.map(\.name) == dense.namedLinearLayers().map(\.name))
      }
    }
  }

  /// Writes a policy with 4 bits in place of each weight.
  private static func write(_ policy: NativeGroundingPolicy, to path: String) throws {
    let scheme = try WeightScheme(grid: QuantizationGrid(bits: 4), granularity: .outputChannel)
    let codes = try policy.namedLinearLayers().map { name, layer in
      let rows = (0..<Int32(layer.outputWidth)).map { $0 }
      let matrix = try RoundToNearest(scheme).quantize(layer.weightRows(rows)).matrix
      return PolicyLayerCodes(layer: name, tensors: matrix.declarations(named: name)) { writer in
        try matrix.write(to: writer, named: name)
      }
    }
    let document = QuantizationConfiguration(scheme: scheme).document
    try policy.write(to: path, codes: codes, quantization: document)
  }
}
