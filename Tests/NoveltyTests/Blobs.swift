import Novelty
import Tensor

/// Three clusters of normal vectors in [0, 1]⁸, and novel ones between them.
struct Blobs {
  let normals: Tensor<Float>
  let labels: [Int32]
  let heldBack: Tensor<Float>
  let novels: Tensor<Float>

  init(count: Int = 240, seed: UInt64 = 1) {
    var generator = Philox(seed: seed)
    func cluster(_ index: Int, _ count: Int) -> Tensor<Float> {
      var centre = [Float](repeating: 0.2, count: 8)
      for axis in 0..<2 { centre[2 * index + axis] = 0.8 }
      let noise = Tensor<Float>.normal([count, 8], deviation: 0.03, using: &generator)
      return (noise + Tensor(centre)).clamped(to: 0...1)
    }
    let size = count / 3
    normals = .concatenating((0..<3).map { cluster($0, size) })
    labels = (0..<3).flatMap { [Int32](repeating: 10 * Int32($0), count: size) }
    heldBack = .concatenating((0..<3).map { cluster($0, 30) })
    novels = .uniform([60, 8], from: 0, to: 1, using: &generator)
  }

  var data: NormalData { NormalData(inputs: normals, labels: labels, validation: heldBack) }

  /// The area under the curve of a fitted detector.
  func area(_ detector: some NoveltyDetector) throws -> Double {
    let (normal, novel) = (
      try detector.scores(of: heldBack), try detector.scores(of: novels)
    )
    let isNovel = normal.map { _ in false } + novel.map { _ in true }
    return areaUnderROC(scores: normal + novel, isNovel: isNovel) ?? 0
  }

  /// A tiny configuration for vectors of eight numbers.
  static var settings: OAAE.Configuration {
    var settings = OAAE.Configuration.perceptron(hiddenWidths: [16, 12], latentWidth: 6)
    settings.discriminatorWidths = [8]
    settings.batchSize = 48
    settings.epochs = 6
    settings.learningRate = 5e-3
    return settings
  }
}
