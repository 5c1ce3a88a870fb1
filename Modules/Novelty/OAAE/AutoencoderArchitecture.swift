/// What the encoder and the decoder are made of.
public enum AutoencoderArchitecture: Codable, Hashable, Sendable {
  /// Three convolutions of stride 2 with c, 2c and 4c channels, then one over all that is left; the
  /// decoder mirrors them. For images [H×W] or [C×H×W] of at least 8×8 pixels.
  case convolution(channels: Int)
  /// Linear layers of the hidden widths; the decoder has them in reverse. For any shape.
  case perceptron(hiddenWidths: [Int])

  func check() throws(NoveltyError) {
    let (widths, most) =
      switch self {
      case .convolution(let channels): ([channels], 4096)
      case .perceptron(let widths): (widths, 1 << 20)
      }
    guard widths.allSatisfy({ $0 > 0 && $0 <= most }), widths.count <= 64 else {
      throw .configuration("an architecture of widths \(widths)")
    }
  }
}

/// What the decoder ends with.
public enum DecoderOutput: String, Codable, Hashable, Sendable {
  /// Numbers in (0, 1): for pixels.
  case sigmoid
  /// Any number.
  case linear
}

/// What happens to inputs before anything else.
public enum InputScaling: String, Codable, Hashable, Sendable {
  /// Nothing.
  case none
  /// Each feature's range in the training data becomes [0, 1]; constant ones become 0.
  case unitRange
  /// Each feature gets mean 0 and deviation 1 in the training data; constant ones become 0.
  case standardized
}

/// The geometry of inputs: how a sample becomes a row, and what the network takes the row for.
struct InputLayout: Equatable {
  /// A sample as users give it.
  let sampleShape: [Int]
  /// Means over squares of so many pixels; 1 for none.
  let pooling: Int
  /// A sample as the network takes it: [D], or [C, H, W].
  let extents: [Int]
  var width: Int { extents.reduce(1, *) }

  /// Samples as mere numbers.
  init(flat sampleShape: [Int]) {
    self.sampleShape = sampleShape
    pooling = 1
    extents = [sampleShape.reduce(1, *)]
  }

  init(_ sampleShape: [Int], pooling: Int, isImage: Bool) throws(NoveltyError) {
    self.sampleShape = sampleShape
    self.pooling = pooling
    guard isImage || pooling > 1 else {
      extents = [sampleShape.reduce(1, *)]
      return
    }
    guard sampleShape.count == 2 || sampleShape.count == 3 else {
      throw .configuration("samples of shape \(sampleShape) are no images [H×W] or [C×H×W]")
    }
    let plane = sampleShape.suffix(2).map { $0 / max(pooling, 1) }
    guard plane.allSatisfy({ $0 >= (isImage ? 8 : 1) }) else {
      throw .configuration("images of \(plane[0])×\(plane[1]) pixels after pooling are too small")
    }
    let channels = sampleShape.count == 3 ? sampleShape[0] : 1
    extents = isImage ? [channels] + plane : [channels * plane[0] * plane[1]]
  }
}
