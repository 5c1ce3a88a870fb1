import Tensor

extension ModelDescription {
  /// The description of an `MLP`: every width but the first and the last is a group.
  ///
  /// - Parameters:
  ///   - widths: of the input, of what lies between, and of the output.
  ///   - prefix: what stands in front of the names, such as `network.`.
  ///   - hasBias: whether the layers have biases.
  /// - Returns: the wiring.
  public static func mlp(
    widths: [Int],
    prefix: String = "",
    hasBias: Bool = true
  ) -> ModelDescription {
    expect(widths.count > 1, "model description: an MLP of widths \(widths)")
    let last = widths.count - 2
    func wiring(_ index: Int) -> AxisWiring {
      index == 0 || index == widths.count - 1
        ? .whole(widths[index]) : .channels("hidden.\(index - 1)")
    }
    var parameters: [ParameterDescription] = []
    var layers: [LayerDescription] = []
    for index in 0...last {
      let name = "\(prefix)layers.\(index)"
      let role: ParameterRole = index == last ? .head : .block(index)
      let output = wiring(index + 1)
      var parts: [(name: String, axes: [AxisWiring])] = [(".weight", [output, wiring(index)])]
      if hasBias { parts.append((".bias", [output])) }
      for (part, axes) in parts {
        let isLast = index == last
        parameters.append(
          ParameterDescription(name + part, axes: axes, role: role, hasClassRows: isLast)
        )
      }
      layers.append(
        LayerDescription([name + ".weight"], work: .product, output: output, role: role)
      )
    }
    return checked(
      groups: widths[1..<max(widths.count - 1, 1)].enumerated().map { index, width in
        ChannelGroup("hidden.\(index)", count: width)
      },
      parameters: parameters,
      layers: layers,
      blockCount: last
    )
  }

  /// A description that this module makes itself.
  static func checked(
    groups: [ChannelGroup],
    parameters: [ParameterDescription],
    layers: [LayerDescription],
    blockCount: Int
  ) -> ModelDescription {
    do {
      return try ModelDescription(
        groups: groups,
        parameters: parameters,
        layers: layers,
        blockCount: blockCount
      )
    } catch {
      fatalError("\(error)")
    }
  }
}

/// A small network of convolutions, each followed by a norm or not, then one linear layer.
public struct ConvolutionNetworkShape: Codable, Hashable, Sendable {
  /// How the planes of the last convolution reach the linear layer.
  public enum Ending: Codable, Hashable, Sendable {
    /// The mean of each plane.
    case average
    /// All places of each plane, as many as stated.
    case flatten(positions: Int)
  }

  /// The planes of the input.
  public var inputPlanes: Int
  /// The planes of each convolution.
  public var planes: [Int]
  /// The rows and columns of the kernels.
  public var kernel: Int
  /// The places of each convolution's output: rows times columns.
  public var positions: [Int]
  /// Whether each convolution is followed by a norm with a scale and a shift.
  public var hasNorms: Bool
  /// How the planes reach the last layer.
  public var ending: Ending
  /// The classes.
  public var classCount: Int

  /// A shape of a network.
  public init(
    inputPlanes: Int,
    planes: [Int],
    kernel: Int = 3,
    positions: [Int],
    hasNorms: Bool,
    ending: Ending,
    classCount: Int
  ) {
    self.inputPlanes = inputPlanes
    self.planes = planes
    self.kernel = kernel
    self.positions = positions
    self.hasNorms = hasNorms
    self.ending = ending
    self.classCount = classCount
  }
}

/// The names of a convolution network's parameters; `convolution(0)` gives `conv1` by default.
public struct ConvolutionNetworkNames: Sendable {
  /// The layer of convolution number i, from 0.
  public var convolution: @Sendable (Int) -> String
  /// The norm after convolution number i, from 0.
  public var norm: @Sendable (Int) -> String
  /// The linear layer.
  public var head: String

  /// Names, by default `conv1`, `norm1`, … and `fc`.
  public init(
    convolution: @escaping @Sendable (Int) -> String = { "conv\($0 + 1)" },
    norm: @escaping @Sendable (Int) -> String = { "norm\($0 + 1)" },
    head: String = "fc"
  ) {
    self.convolution = convolution
    self.norm = norm
    self.head = head
  }
}

extension ModelDescription {
  /// The description of a small network of convolutions: the planes of each are a group.
  public static func convolutionNetwork(
    _ shape: ConvolutionNetworkShape,
    names: ConvolutionNetworkNames = ConvolutionNetworkNames()
  ) -> ModelDescription {
    expect(
      !shape.planes.isEmpty && shape.positions.count == shape.planes.count,
      "model description: \(shape.planes.count) convolutions of \(shape.positions.count) sizes"
    )
    var parameters: [ParameterDescription] = []
    var layers: [LayerDescription] = []
    var input = AxisWiring.whole(shape.inputPlanes)
    for index in shape.planes.indices {
      let output = AxisWiring.channels("planes.\(index)")
      let role = ParameterRole.block(index)
      let name = names.convolution(index)
      let kernel = AxisWiring.whole(shape.kernel)
      var parts: [(name: String, axes: [AxisWiring])] = []
      parts.append((name + ".weight", [output, input, kernel, kernel]))
      parts.append((name + ".bias", [output]))
      var works: [(names: [String], work: LayerDescription.Work)] = []
      works.append(([name + ".weight"], .product))
      if shape.hasNorms {
        let norm = [".weight", ".bias"].map { names.norm(index) + $0 }
        for name in norm { parts.append((name, [output])) }
        works.append((norm, .elementwise))
      }
      parameters += parts.map { ParameterDescription($0.name, axes: $0.axes, role: role) }
      let positions = shape.positions[index]
      layers += works.map {
        LayerDescription($0.names, work: $0.work, positions: positions, output: output, role: role)
      }
      input = output
    }
    appendHead(names.head, shape, &parameters, &layers)
    return checked(
      groups: shape.planes.enumerated().map { ChannelGroup("planes.\($0)", count: $1) },
      parameters: parameters,
      layers: layers,
      blockCount: shape.planes.count
    )
  }

  private static func appendHead(
    _ name: String,
    _ shape: ConvolutionNetworkShape,
    _ parameters: inout [ParameterDescription],
    _ layers: inout [LayerDescription]
  ) {
    let positions = if case .flatten(let count) = shape.ending { count } else { 1 }
    let classes = AxisWiring.whole(shape.classCount)
    let input = AxisWiring.channels("planes.\(shape.planes.count - 1)", positions: positions)
    for (part, axes) in [(".weight", [classes, input]), (".bias", [classes])] {
      parameters.append(
        ParameterDescription(name + part, axes: axes, role: .head, hasClassRows: true)
      )
    }
    layers.append(
      LayerDescription([name + ".weight"], work: .product, output: classes, role: .head)
    )
  }
}
