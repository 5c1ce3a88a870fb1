import Autograd
import Checkpoints
import Quantization
import Tensor
import TestSupport
import Testing

/// Matrices of every layout come back from a file as they went in.
@Suite struct QuantizedCheckpointTests {
  /// Stands where dense weights would come from.
  private struct NoWeights: WeightSource {
    func contains(_ name: String) -> Bool { false }
    func tensor(_ name: String, shape: Shape) throws -> Tensor<Float> { throw Missing() }
    func linear(
      _ name: String,
      outputWidth: Int,
      inputWidth: Int,
      hasBias: Bool
    ) throws -> any LinearLayer { throw Missing() }
    struct Missing: Error {}
  }

  @Test(arguments: [
    Granularity.tensor, .outputChannel, .inputGroups(8), .inputGroups(7), .outputGroups(4),
  ])
  func matricesComeBack(granularity: Granularity) throws {
    var generator = Philox(seed: 1)
    let weight = Tensor<Float>.normal([12, 40], using: &generator)
    let hessian = CalibrationHessian(Tensor<Float>.normal([100, 40], using: &generator))
    for bits in [1, 3, 8] {
      for symmetric in [false, true] {
        let scheme = try WeightScheme(
          grid: QuantizationGrid(bits: bits, isSymmetric: symmetric),
          granularity: granularity
        )
        let matrix = try GPTQ(order: .activation).quantize(
          weight,
          hessian: hessian,
          scheme: scheme
        ).matrix
        try check(matrix)
        try check(RoundToNearest(scheme).quantize(weight).matrix)
      }
    }
  }

  private func check(_ matrix: QuantizedMatrix) throws {
    try withTemporaryFolder { folder in
      let path = folder + "/model.safetensors"
      let writer = try SafetensorsWriter(path: path, tensors: matrix.declarations(named: "layer"))
      try matrix.write(to: writer, named: "layer")
      try writer.finish()
      let configuration = QuantizationConfiguration(method: .gptq, scheme: matrix.scheme)
      let document = configuration.document
      let read = try QuantizationConfiguration(document: document, path: path)
      #expect(read == configuration)
      let weights = QuantizedWeights(
        try Checkpoint(path: path),
        configuration: read,
        embeddings: [],
        dense: NoWeights()
      )
      let found = try weights.matrix("layer", shape: matrix.shape)
      #expect(found.dequantized() == matrix.dequantized())
      #expect(found.inputOrder == matrix.inputOrder)
      let layer = try weights.linear("layer", outputWidth: 12, inputWidth: 40, hasBias: false)
      #expect(layer is PackedLinear)
    }
  }
}
