import Tensor

/// Operations that are large enough to be split.
struct ThreadedOperations {
  let x: Tensor<Float>
  let wide: Tensor<Float>
  let weight: Tensor<Float>
  let keys: Tensor<Float>
  let large: Tensor<Float>

  init() {
    var generator = Philox(seed: 31)
    x = .normal([131, 257], using: &generator)
    wide = .normal([70, 1031], using: &generator)
    weight = .normal([193, 257], using: &generator)
    keys = .normal([3, 64, 16], using: &generator)
    large = .normal([401, 703], using: &generator)
  }

  func results() -> [(name: String, value: Tensor<Float>)] {
    products() + shaped() + indexed() + drawn() + images()
  }

  private func products() -> [(name: String, value: Tensor<Float>)] {
    let half = WeightMatrix.bfloat16(Tensor(converting: weight))
    let queries = wide[0..<40].reshaped(to: [40 * 1031])[0..<60 * 96].reshaped(to: [60, 96])
    return [
      ("matmul", x.matmul(weight, transposingOther: true)),
      ("matmul, transposed", x.matmul(x, transposingSelf: true)),
      ("linear", half.product(with: x)),
      ("linear, one row", half.product(with: x[5])),
      ("softmax", wide.softmax()),
      ("rms norm", wide.rmsNormalized(weight: .ones([1031]), epsilon: 1e-5)),
      ("logSumExp", wide.logSumExp()),
      ("exponential", wide.exp()),
      ("silu", wide.gated(.silu, by: wide)),
      ("sum", Tensor(scalar: wide.sum())),
      ("adam", adam()),
      ("attention", queries.attending(to: keys, keys, firstPosition: 4, scale: 0.25)),
      ("attention to codes", attentionToCodes()),
    ]
  }

  /// A query on enough keys of 8 bits to be split.
  private func attentionToCodes() -> Tensor<Float> {
    let (shape, grids): (Shape, Shape) = ([3, 3000, 16], [3, 3000, 2])
    let codes = (0..<shape.count).map { UInt8(truncatingIfNeeded: ($0 &* 2_654_435_761) >> 13) }
    let steps = (0..<grids.count).map { $0 % 2 == 0 ? Float(0.01) : Float($0 % 255) }
    let rows = StoredRows.codes(Tensor(codes, shape: shape), grids: Tensor(steps, shape: grids))
    return wide[0..<1].flattened()[0..<96].reshaped(to: [1, 96]).attending(
      to: rows,
      rows,
      firstPosition: 2999,
      scale: 0.25
    )
  }

  private func shaped() -> [(name: String, value: Tensor<Float>)] {
    [
      ("add", large + large),
      ("broadcast", large * large[0] + large[.all, 0..<1]),
      ("sum of rows", large.sum(axes: 1)),
      ("sum of columns", large.sum(axes: 0)),
      ("variance", large.variance(axes: 0)),
      ("max", large.max(axes: 0)),
      ("total", Tensor(scalar: large.sum())),
      ("transposed", large.transposed()),
      ("selected", large[.every(2), .reversed]),
      ("concatenated", .concatenating([large, large], axis: 1)),
      ("padded", large.padded([(before: 1, after: 2), (before: 3, after: 0)], mode: .reflect)),
      ("tiled", large.broadcast(to: [3, 401, 703])),
      ("converted", Tensor<Float16>(converting: large).converted(to: Float.self)),
      ("layer norm", large.layerNormalized(weight: large[0], bias: large[1])),
    ]
  }

  private func indexed() -> [(name: String, value: Tensor<Float>)] {
    var generator = Philox(seed: 5)
    let rows = Tensor<Int32>.integers([1500], in: 0..<401, using: &generator)
    let places = Tensor<Int32>.integers([401, 703], in: 0..<703, using: &generator)
    let source = large.taking(rows, axis: 0)
    return [
      ("taken", source),
      ("gathered", large.gathered(places, axis: 1)),
      ("scattered", large.scatterAdding(large, at: places, axis: 1)),
      ("added", large.adding(source, at: rows, axis: 0)),
      ("segments", source.segmentSum(rows, count: 401)),
      ("segment maxima", source.segmentMax(rows, count: 401)),
      ("sorted", large.sorted()),
      ("sorted columns", large.sorted(axis: 0, descending: true)),
      ("order", large.argSorted().converted(to: Float.self)),
      ("top", large.topK(7).values),
      ("running sums", large.cumulativeSum(axis: 1)),
      ("running sums of columns", large.cumulativeSum(axis: 0)),
      ("argmax", large.argMax(axis: 0).converted(to: Float.self)),
    ]
  }

  private func drawn() -> [(name: String, value: Tensor<Float>)] {
    var generator = Philox(seed: 6)
    let masks = Tensor<Bool>.bernoulli([401, 703], probability: 0.3, using: &generator)
    return [
      ("uniform", .uniform([401, 703], using: &generator)),
      ("normal", .normal([401, 703], using: &generator)),
      ("bernoulli", masks.converted(to: Float.self)),
      ("constant", Tensor(repeating: 0.1, shape: [401, 703])),
    ]
  }

  private func images() -> [(name: String, value: Tensor<Float>)] {
    let image = large.flattened()[0..<(6 * 5 * 37 * 41)].reshaped(to: [6, 5, 37, 41])
    let kernels = weight.flattened()[0..<(8 * 5 * 9)].reshaped(to: [8, 5, 3, 3])
    let options = ConvolutionOptions(stride: 2, padding: 1)
    let features = conv2d(image, weight: kernels, options: options)
    return [
      ("convolution", features),
      ("transposed convolution", convTranspose2d(features, weight: kernels, options: options)),
    ]
  }

  /// Two steps on the elements of `wide`.
  private func adam() -> Tensor<Float> {
    let zeros = Tensor<Float>.zeros(wide.shape)
    var (value, mean, square) = (wide, zeros, zeros)
    let step = AdamStep(
      rates: (0.1, 0.01),
      stepSize: 0.1,
      rootScale: 2,
      epsilon: 1e-8,
      decay: .decoupled(0.01)
    )
    for gradient in [wide.sin(), wide.cos()] {
      value.step(step, gradient: gradient, mean: &mean, square: &square)
    }
    return value + mean + square
  }
}
