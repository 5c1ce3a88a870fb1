import Autograd
import Checkpoints
import Tensor
import TestSupport
import Testing

/// Operations and their gradients as torch computes them: every case that the files hold.
@Suite struct AutogradConformance {
  /// A case of a file: its tensors and its arguments.
  struct Case: Sendable, CustomTestStringConvertible {
    let path: String
    let name: String
    let arguments: JSONValue

    var testDescription: String { name }

    func has(_ tensor: String) throws -> Bool {
      try SafetensorsFile(path: path).names.contains("\(name).\(tensor)")
    }

    func tensor(_ tensor: String) throws -> Tensor<Float> {
      try SafetensorsFile(path: path).tensor(
        named: "\(name).\(tensor)",
        as: Float.self
      )
    }

    /// The tensor as a leaf of the tape; nil where the case has none.
    func leaf(_ tensor: String) throws -> Variable? {
      try has(tensor) ? Variable(following: self.tensor(tensor)) : nil
    }

    /// One number for both directions, or a pair.
    func extent(_ key: String, default fallback: Int) -> PlaneExtent {
      if let pair = arguments[key]?.arrayValue?.compactMap(\.intValue), pair.count == 2 {
        return PlaneExtent(height: pair[0], width: pair[1])
      }
      let number = arguments[key]?.intValue ?? fallback
      return PlaneExtent(height: number, width: number)
    }

    var options: ConvolutionOptions {
      ConvolutionOptions(
        stride: extent("stride", default: 1),
        padding: extent("padding", default: 0),
        dilation: extent("dilation", default: 1),
        groups: arguments["groups"]?.intValue ?? 1
      )
    }

    /// Compares the result with `out`, and the gradients that `grad_out` gives with those stored.
    func expect(_ output: Variable, _ leaves: [(String, Variable?)], tolerance: Float) throws {
      expectClose(output.value, try tensor("out"), relative: tolerance, absolute: tolerance, name)
      output.backward(from: try tensor("grad_out"))
      for case (let key, .some(let leaf)) in leaves {
        let expected = try tensor("grad_\(key)")
        let found = try #require(leaf.gradient, "\(name): no gradient of \(key)")
        // Sums over many elements: the error is relative to the largest.
        let scale = max(expected.abs().max(), 1)
        expectClose(found, expected, absolute: tolerance * scale, "\(name): gradient of \(key)")
      }
    }
  }

  static func cases(_ path: String) -> [Case] {
    guard let stored = try? SafetensorsFile(path: path),
      let described = try? JSONValue.parse(stored.metadata["case"] ?? "{}"),
      let cases = described["cases"]?.objectValue
    else { return [] }
    return zip(cases.keys, cases.values).map { Case(path: path, name: $0, arguments: $1) }
  }

  /// The last file is this checkout's own, whichever root the others come from.
  static let files =
    ["conv2d", "conv_transpose2d", "batch_norm"].map {
      Fixtures.file("novelty/\($0).safetensors")
    } + [Fixtures.checkout + "/Tests/Fixtures/autograd/images.safetensors"]

  @Test(arguments: files)
  func filesHoldCases(file: String) {
    #expect(!Self.cases(file).isEmpty, "no case in \(file)")
  }

  @Test(arguments: cases(files[0]))
  func convolution(item: Case) throws {
    let (x, w, b) = (try item.leaf("x"), try item.leaf("w"), try item.leaf("b"))
    let y = conv2d(try #require(x), weight: try #require(w), bias: b, options: item.options)
    try item.expect(y, [("x", x), ("w", w), ("b", b)], tolerance: 1e-5)
  }

  @Test(arguments: cases(files[1]))
  func transposedConvolution(item: Case) throws {
    let (x, w, b) = (try item.leaf("x"), try item.leaf("w"), try item.leaf("b"))
    let y = convTranspose2d(
      try #require(x),
      weight: try #require(w),
      bias: b,
      options: item.options,
      outputPadding: item.extent("output_padding", default: 0)
    )
    try item.expect(y, [("x", x), ("w", w), ("b", b)], tolerance: 1e-5)
  }

  @Test(arguments: cases(files[2]))
  func batchNormalization(item: Case) throws {
    let (x, w, b) = (try item.leaf("x"), try item.leaf("w"), try item.leaf("b"))
    let arguments = item.arguments
    let epsilon = Float(try #require(arguments["eps"]?.doubleValue))
    let momentum = Float(try #require(arguments["momentum"]?.doubleValue))
    var statistics = RunningStatistics(
      mean: try item.tensor("running_mean_in"),
      variance: try item.tensor("running_var_in")
    )
    let isTraining = arguments["training"]?.boolValue ?? true
    let input = try #require(x)
    let y =
      isTraining
      ? batchNorm(
        input,
        weight: w,
        bias: b,
        updating: &statistics,
        momentum: momentum,
        epsilon: epsilon
      ) : batchNorm(input, weight: w, bias: b, using: statistics, epsilon: epsilon)
    // A channel of equal elements divides rounding errors by √epsilon.
    let tolerance: Float = item.name.contains("const") ? 1e-4 : 2e-5
    try item.expect(y, [("x", x), ("w", w), ("b", b)], tolerance: tolerance)
    expectClose(statistics.mean, try item.tensor("running_mean_out"), absolute: 1e-6, item.name)
    expectClose(statistics.variance, try item.tensor("running_var_out"), absolute: 1e-5, item.name)
  }

  @Test(arguments: cases(files[3]))
  func images(item: Case) throws {
    let leaf = try item.leaf("x")
    let x = try #require(leaf)
    let size = item.extent("size", default: 1)
    let corners = item.arguments["alignsCorners"]?.boolValue ?? false
    let (w, b) = (try item.leaf("w"), try item.leaf("b"))
    let options = item.options
    let operation = try #require(item.arguments["operation"]?.stringValue)
    let y: Variable
    switch operation {
    case "max":
      y = maxPool2d(
        x,
        size: size,
        stride: options.stride,
        padding: options.padding,
        dilation: options.dilation
      )
    case "average":
      y = averagePool2d(
        x,
        size: size,
        stride: options.stride,
        padding: options.padding,
        countsPadding: item.arguments["countsPadding"]?.boolValue ?? true
      )
    case "adaptive": y = adaptiveAveragePool2d(x, to: size)
    case "nearest": y = interpolate(x, to: size, mode: .nearest)
    case "bilinear": y = interpolate(x, to: size, mode: .bilinear(alignsCorners: corners))
    case "bicubic": y = interpolate(x, to: size, mode: .bicubic(alignsCorners: corners))
    case "group":
      let groups = try #require(item.arguments["groups"]?.intValue)
      y = groupNorm(x, groups: groups, weight: w, bias: b)
    default: throw UnknownOperation(operation: operation)
    }
    try item.expect(y, [("x", x), ("w", w), ("b", b)], tolerance: 2e-5)
  }
}

/// A fixture names an operation that the suite does not know.
struct UnknownOperation: Error {
  let operation: String
}
