/// Anything that convolves: dense, binary-coded or otherwise packed.
///
/// Models hold `any ConvolutionLayer`, so that one can take the place of another.
public protocol ConvolutionLayer: Module, Layer {
  /// The channels of the input.
  var inputChannels: Int { get }
  /// The channels of the output.
  var outputChannels: Int { get }
}

/// A module that publishes the convolutions which another may replace.
public protocol ConvolutionLayerOwner: Module {
  /// The layers that may be replaced, in execution order: the names by which reflection finds them
  /// and the key paths to them.
  static var convolutionLayers: [ConvolutionLayerPath<Self>] { get }
}

/// A replaceable convolution of a module: its name and where it is stored.
public typealias ConvolutionLayerPath<Owner> = (
  String, ReferenceWritableKeyPath<Owner, any ConvolutionLayer>
)
