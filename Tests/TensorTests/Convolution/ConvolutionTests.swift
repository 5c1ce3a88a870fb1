import Tensor
import TestSupport
import Testing

/// The products of one sample.
private struct Products: Equatable {
  var features, image, weight, featureBias: Tensor<Float>

  init(_ sample: ConvolutionSample, _ inputs: Inputs) {
    let convolution = Convolution(
      of: sample.imageShape,
      by: sample.weightShape,
      bias: nil,
      options: sample.options
    )
    features = convolution.features(image: inputs.image, weight: inputs.weight, bias: inputs.bias)
    image = convolution.image(features: inputs.features, weight: inputs.weight)
    weight = convolution.weight(image: inputs.image, features: inputs.features)
    featureBias = inputs.features.channelSums()
  }
}

private struct Inputs {
  var image, weight, features, bias: Tensor<Float>

  init(_ sample: ConvolutionSample, _ samples: inout KernelSamples) {
    image = samples.tensor(sample.imageShape)
    weight = samples.tensor(sample.weightShape)
    features = samples.tensor(sample.featureShape)
    bias = samples.tensor([sample.weightShape[0]])
  }
}

/// Compares the convolution and both its gradients with their definition.
private func check(_ sample: ConvolutionSample, _ samples: inout KernelSamples) {
  let inputs = Inputs(sample, &samples)
  let found = Products(sample, inputs)
  #expect(found.features.shape == sample.featureShape, "\(sample)")
  let (x, w, f) = (inputs.image.elements, inputs.weight.elements, inputs.features.elements)
  let plane = max(sample.featureShape[2] * sample.featureShape[3], 1)
  let bias = inputs.bias.elements.map(Double.init)
  var forward = sample.sums(found.features.count) { ($2, Double(x[$0]) * Double(w[$1])) }
  for i in forward.values.indices {
    let value = bias[i / plane % bias.count]
    forward.values[i] += value
    forward.scale[i] += abs(value)
  }
  expectKernel(
    found.features.elements,
    near: forward.values,
    scale: forward.scale,
    "features of \(sample)"
  )
  let back = sample.sums(found.image.count) { ($0, Double(f[$2]) * Double(w[$1])) }
  expectKernel(found.image.elements, near: back.values, scale: back.scale, "image of \(sample)")
  let gradient = sample.sums(found.weight.count) { ($1, Double(x[$0]) * Double(f[$2])) }
  expectKernel(
    found.weight.elements,
    near: gradient.values,
    scale: gradient.scale,
    "weight of \(sample)"
  )
  // The transposed convolution that starts from the features' shape meets the image's shape.
  if sample.outputPadding.height < max(sample.stride.height, sample.dilation.height),
    sample.outputPadding.width < max(sample.stride.width, sample.dilation.width)
  {
    let transposed = convTranspose2d(
      inputs.features,
      weight: inputs.weight,
      options: sample.options,
      outputPadding: sample.outputPadding
    )
    #expect(transposed == found.image, "transposed \(sample)")
  }
}

@Suite struct ConvolutionTests {
  @Test(arguments: 0..<8)
  func agreesWithTheDefinitionForRandomOptions(seed: Int) {
    var samples = KernelSamples(seed: UInt64(seed))
    for _ in 0..<50 { check(samples.convolution(), &samples) }
  }

  @Test func agreesWithTheDefinitionWhereTilesAndPartsEnd() {
    var samples = KernelSamples(seed: 9)
    for width in [1, 2, 3, 4, 5, 7, 8, 13, 14, 15, 16, 17, 28, 31, 32, 33, 65, 130] {
      for (outputs, stride) in [(1, 1), (6, 2), (17, 1), (34, 2)] {
        var sample = ConvolutionSample(batch: 3, inputs: 2, outputs: outputs)
        sample.size = PlaneExtent(height: 6, width: width)
        sample.padding = 1
        sample.stride = PlaneExtent(stride)
        check(sample, &samples)
      }
    }
  }

  @Test func agreesWithTheDefinitionInStripsOfRowsAndColumns() {
    var samples = KernelSamples(seed: 10)
    for stride in [1, 2, 3] {
      var tall = ConvolutionSample(batch: 1, inputs: 40, outputs: 3)
      tall.size = PlaneExtent(height: 61, width: 70)
      tall.stride = PlaneExtent(stride)
      tall.padding = 1
      check(tall, &samples)
      var long = ConvolutionSample(batch: 1, inputs: 33, outputs: 2)
      long.size = PlaneExtent(height: 1, width: 5003)
      long.kernel = PlaneExtent(height: 1, width: 4)
      long.stride = PlaneExtent(height: 1, width: stride)
      check(long, &samples)
      long.outputs = 17
      long.inputs = 8
      check(long, &samples)
    }
  }

  @Test func kernelsAsLargeAsTheImageAreProductsOfMatrices() {
    var samples = KernelSamples(seed: 11)
    for (size, batch) in [(1, 1), (3, 5), (4, 20)] {
      var sample = ConvolutionSample(batch: batch, inputs: 7, outputs: 9)
      sample.size = PlaneExtent(size)
      sample.kernel = PlaneExtent(size)
      check(sample, &samples)
    }
  }

  @Test func emptyBatchesGiveEmptyResultsAndZeroGradients() {
    let options = ConvolutionOptions(padding: 1)
    let x = Tensor<Float>.zeros([0, 3, 5, 6])
    let weight = Tensor<Float>.ones([4, 3, 3, 3])
    #expect(conv2d(x, weight: weight, options: options).shape == [0, 4, 5, 6])
    let convolution = Convolution(of: x.shape, by: weight.shape, bias: nil, options: options)
    let none = Tensor<Float>.zeros([0, 4, 5, 6])
    #expect(convolution.image(features: none, weight: weight).shape == x.shape)
    #expect(convolution.weight(image: x, features: none) == .zeros(weight.shape))
    #expect(none.channelSums() == .zeros([4]))
  }

  @Test(arguments: [(1, 1, 32, 28, 4, 2), (1, 24, 40, 20, 3, 1), (16, 1, 1, 33, 3, 1)])
  func threadsDoNotChangeTheBits(_ sizes: (Int, Int, Int, Int, Int, Int)) {
    var samples = KernelSamples(seed: 12)
    var sample = ConvolutionSample(batch: 24)
    (sample.groups, sample.inputs, sample.outputs) = (sizes.0, sizes.1, sizes.2)
    sample.size = PlaneExtent(sizes.3)
    sample.kernel = PlaneExtent(sizes.4)
    sample.stride = PlaneExtent(sizes.5)
    sample.padding = 1
    let inputs = Inputs(sample, &samples)
    let parallel = Products(sample, inputs)
    // Inside a part everything runs on this thread.
    var serial: Products?
    WorkPool.forEach(parts: 2) { part in
      if part == 0 {
        withUnsafeMutablePointer(to: &serial) { $0.pointee = Products(sample, inputs) }
      }
    }
    #expect(serial == parallel)
  }

  @Test func infinitiesStayWhereTheKernelReachesThem() {
    for outputs in [1, 20] {
      var x = Tensor<Float>.ones([1, 2, 9, 20])
      x.withUnsafeMutableElements { $0[4 * 20 + 19] = .infinity }
      let y = conv2d(
        x,
        weight: .ones([outputs, 2, 3, 3]),
        options: ConvolutionOptions(padding: 1)
      )
      let hit = y.elements.indices.filter { y.elements[$0] == .infinity }
      let near = y.elements.indices.filter {
        let (row, column) = ($0 / 20 % 9, $0 % 20)
        return (3...5).contains(row) && column >= 18
      }
      #expect(hit == near)
      #expect(!y.elements.contains { $0.isNaN })
    }
  }

  @Test func sameKeepsTheSizeOfTheImage() {
    for kernel in 1...5 {
      for dilation in 1...2 {
        let options = ConvolutionOptions.same(
          kernel: PlaneExtent(kernel),
          dilation: PlaneExtent(dilation)
        )
        let y = conv2d(
          .zeros([1, 1, 6, 11]),
          weight: .zeros([2, 1, kernel, kernel]),
          options: options
        )
        #expect(y.shape == [1, 2, 6, 11])
      }
    }
  }

  @Test func sequencesAreImagesOfOneRow() {
    var samples = KernelSamples(seed: 13)
    let x = samples.tensor([2, 3, 17])
    let weight = samples.tensor([4, 3, 5])
    let bias = samples.tensor([4])
    let options = ConvolutionOptions(stride: 2, padding: 1, dilation: 2)
    let flat = ConvolutionOptions(
      stride: PlaneExtent(height: 1, width: 2),
      padding: PlaneExtent(height: 0, width: 1),
      dilation: PlaneExtent(height: 1, width: 2)
    )
    let y = conv1d(x, weight: weight, bias: bias, options: options)
    let image = conv2d(
      x.reshaped(to: [2, 3, 1, 17]),
      weight: weight.reshaped(to: [4, 3, 1, 5]),
      bias: bias,
      options: flat
    )
    #expect(y.shape == [2, 4, 6] && y.elements == image.elements)
    let back = convTranspose1d(y, weight: weight, options: options)
    #expect(back.shape == [2, 3, 17])
    let longer = convTranspose1d(y, weight: weight, options: options, outputPadding: 1)
    #expect(longer.shape == [2, 3, 18])
  }
}
