import Autograd
import Tensor

extension NativeGroundingPolicy {
  /// Pictures as the policy takes them: resized to the view, bytes to −1 … 1, channels first.
  ///
  ///     x = byte / 127.5 − 1
  ///
  /// - Shapes: result [P × 3 × H × W].
  func views(_ images: [RGBImage]) -> Tensor<Float> {
    let view = configuration.view
    let count = view.pixelCount
    return Tensor(uninitialized: [images.count, 3, view.height, view.width]) { target in
      for (index, image) in images.enumerated() {
        let start = index * 3 * count
        image.resized(to: view).pixels.withUnsafeBufferPointer { pixels in
          for pixel in 0..<count {
            for channel in 0..<3 {
              let byte = Float(pixels[3 * pixel + channel])
              target[start + channel * count + pixel] = byte / 127.5 - 1
            }
          }
        }
      }
    }
  }

  /// Texts as the policy takes them.
  ///
  /// - Throws: `NativePolicyError.instruction`, `.emptyInstruction`.
  func instructions(_ texts: [String]) throws(NativePolicyError) -> InstructionBatch {
    guard case .bytes(let maximum, _) = configuration.instruction else {
      var ids: [Int32] = []
      for text in texts {
        guard let instruction = SyntheticInstruction(text) else { throw .instruction(text) }
        ids += GroundingVocabulary.tokens(of: instruction)
      }
      return InstructionBatch(ids: Tensor(ids, shape: [texts.count, 2]))
    }
    let bytes = texts.map { Array($0.utf8.prefix(maximum)) }
    guard bytes.allSatisfy({ !$0.isEmpty }) else { throw .emptyInstruction }
    let length = bytes.map(\.count).max() ?? 1
    let ids = bytes.flatMap { text in
      text.map { Int32($0) } + Array(repeating: 0, count: length - text.count)
    }
    return InstructionBatch(
      ids: Tensor(ids, shape: [texts.count, length]),
      lengths: bytes.map(\.count)
    )
  }

  /// The response that thinks of a point of the view and answers it.
  ///
  /// - Throws: `NativePolicyError.instruction` where the thinking repeats words that the text lacks.
  func response(
    to text: String,
    at point: GroundingPoint,
    in view: PixelSize
  ) throws(NativePolicyError) -> [Int32] {
    let vocabulary = configuration.vocabulary
    let instruction = SyntheticInstruction(text)
    guard vocabulary.thinking != .wordsAndPlaces || instruction != nil else {
      throw .instruction(text)
    }
    return vocabulary.response(
      x: point.x / Double(view.width),
      y: point.y / Double(view.height),
      instruction: instruction
    )
  }

  /// Runs code without a tape.
  func withoutRecording<Result>(_ body: () -> Result) -> Result { withoutGradients(body) }
}
