/// How a convolution walks over its image.
///
///     ConvolutionOptions(stride: 2, padding: 1)
///     ConvolutionOptions.same(kernel: 3)
///     ConvolutionOptions(padding: .init(height: 0, width: 2), groups: channels)
public struct ConvolutionOptions: Hashable, Sendable, Codable {
  /// The distance of neighbouring places of the kernel, in pixels.
  public var stride: PlaneExtent
  /// Rows and columns of zeros before the image; and after it, unless `trailingPadding` says else.
  public var padding: PlaneExtent
  /// Rows and columns of zeros after the image; nil for as many as before.
  public var trailingPadding: PlaneExtent?
  /// The distance of neighbouring weights of the kernel, in pixels; 1 for a dense kernel.
  public var dilation: PlaneExtent
  /// The number of groups of channels that are convolved apart; the input's channels for depthwise.
  public var groups: Int

  /// Options; the defaults are a dense kernel, placed at every pixel where it fits.
  public init(
    stride: PlaneExtent = 1,
    padding: PlaneExtent = 0,
    dilation: PlaneExtent = 1,
    groups: Int = 1
  ) {
    self.stride = stride
    self.padding = padding
    self.dilation = dilation
    self.groups = groups
  }

  /// As much padding as keeps the size of the image at stride 1; where that is an odd number, the
  /// larger half comes after the image.
  public static func same(
    kernel: PlaneExtent,
    dilation: PlaneExtent = 1,
    groups: Int = 1
  ) -> ConvolutionOptions {
    let height = (kernel.height - 1) * dilation.height
    let width = (kernel.width - 1) * dilation.width
    var options = ConvolutionOptions(
      padding: PlaneExtent(height: height / 2, width: width / 2),
      dilation: dilation,
      groups: groups
    )
    options.trailingPadding = PlaneExtent(height: height - height / 2, width: width - width / 2)
    return options
  }

  /// Zeros before and after the image together.
  var totalPadding: PlaneExtent {
    let after = trailingPadding ?? padding
    return PlaneExtent(height: padding.height + after.height, width: padding.width + after.width)
  }

  var isValid: Bool {
    stride.isAtLeast(1) && padding.isAtLeast(0) && (trailingPadding?.isAtLeast(0) ?? true)
      && dilation.isAtLeast(1) && groups >= 1
  }

  /// The pixels that a kernel covers.
  func span(of kernel: PlaneExtent) -> PlaneExtent {
    PlaneExtent(
      height: (kernel.height - 1) * dilation.height + 1,
      width: (kernel.width - 1) * dilation.width + 1
    )
  }

  /// These options for a convolution along the last axis alone.
  package var alongWidth: ConvolutionOptions {
    var options = self
    options.stride.height = 1
    options.padding.height = 0
    options.trailingPadding?.height = 0
    options.dilation.height = 1
    return options
  }
}
