/// How `interpolate` finds values between pixels.
///
/// The corners of the outermost pixels of image and result meet; with `alignsCorners` their centres
/// do.
public enum Interpolation: Hashable, Sendable, Codable {
  /// The pixel that the upper left corner of the result's pixel lies on.
  case nearest
  /// The two nearest rows and columns, by distance.
  case bilinear(alignsCorners: Bool)
  /// Cubic convolution over four rows and columns.
  ///
  /// Source: Keys 1981, "Cubic convolution interpolation", with a = −0.75.
  case bicubic(alignsCorners: Bool)

  /// Bilinear, with the corners of the outermost pixels at the image's corners.
  public static var bilinear: Interpolation { .bilinear(alignsCorners: false) }
  /// Bicubic, with the corners of the outermost pixels at the image's corners.
  public static var bicubic: Interpolation { .bicubic(alignsCorners: false) }
}

/// Images at another size.
///
/// - Shapes: x [N × C × H × W], result [N × C × size].
public func interpolate(
  _ x: Tensor<Float>,
  to size: PlaneExtent,
  mode: Interpolation = .nearest
) -> Tensor<Float> {
  Resampling(interpolating: x.shape, to: size, mode).resampled(x)
}

extension Resampling {
  /// The resampling that makes images [N × C × H × W] the size of `size`.
  package init(interpolating input: Shape, to size: PlaneExtent, _ mode: Interpolation) {
    expect(
      input.rank == 4 && size.isAtLeast(0)
        && (input[2] > 0 || size.height == 0) && (input[3] > 0 || size.width == 0),
      "interpolate: images with pixels are needed, \(input) · \(size)"
    )
    self.init(
      of: input,
      rows: ResamplingAxis(interpolating: input[2], to: size.height, mode),
      columns: ResamplingAxis(interpolating: input[3], to: size.width, mode)
    )
  }
}

extension ResamplingAxis {
  fileprivate init(interpolating extent: Int, to count: Int, _ mode: Interpolation) {
    self.init()
    // Positions in Float, as torch computes them: a rounding may choose another pixel.
    for i in 0..<count {
      switch mode {
      case .nearest:
        let position = Float(i) * (Float(extent) / Float(count))
        appendRun([(min(Int(position), extent - 1), 1)])
      case .bilinear(let alignsCorners):
        let position = max(Self.position(i, extent, count, alignsCorners), 0)
        let first = min(Int(position), extent - 1)
        let share = min(position - Float(first), 1)
        let hasNext = first + 1 < extent && share > 0
        appendRun(hasNext ? [(first, 1 - share), (first + 1, share)] : [(first, Float(1))])
      case .bicubic(let alignsCorners):
        let position = Self.position(i, extent, count, alignsCorners)
        let first = Int(position.rounded(.down))
        let weights = Self.cubicWeights(position - Float(first))
        appendRun(
          (0..<4).map { tap in (min(max(first - 1 + tap, 0), extent - 1), weights[tap]) }
        )
      }
    }
  }

  /// Where the centre of pixel i of the result lies among the centres of the image's pixels.
  private static func position(
    _ i: Int,
    _ extent: Int,
    _ count: Int,
    _ alignsCorners: Bool
  ) -> Float {
    if alignsCorners {
      return count > 1 ? Float(i) * (Float(extent - 1) / Float(count - 1)) : 0
    }
    return (Float(i) + 0.5) * (Float(extent) / Float(count)) - 0.5
  }

  /// The weights of the pixels at −1, 0, 1 and 2 for a position between 0 and 1.
  private static func cubicWeights(_ t: Float) -> [Float] {
    let a: Float = -0.75
    func near(_ x: Float) -> Float { ((a + 2) * x - (a + 3)) * x * x + 1 }
    func far(_ x: Float) -> Float { ((a * x - 5 * a) * x + 8 * a) * x - 4 * a }
    return [far(t + 1), near(t), near(1 - t), far(2 - t)]
  }
}
