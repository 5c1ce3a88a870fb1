/// What a native policy is made of.
///
///     var configuration = NativePolicyConfiguration()        // d 64, two blocks, 247 221 numbers
///     configuration.width = 128
///     configuration.view = PixelSize(width: 128, height: 128)
public struct NativePolicyConfiguration: Codable, Hashable, Sendable {
  /// How a policy reads its instruction.
  public enum Instruction: Codable, Hashable, Sendable {
    /// As one colour word and one shape word.
    case words
    /// As the bytes of any text, through bidirectional blocks; longer texts are cut.
    case bytes(maximumLength: Int = 96, blockCount: Int = 1)
  }

  /// d, the width of everything behind the first two convolutions.
  public var width: Int
  /// L, the blocks of the decoder.
  public var blockCount: Int
  /// The heads of each attention.
  public var headCount: Int
  /// The channels of the first two convolutions.
  public var stemWidths: [Int]
  /// The view that the policy sees, in pixels; a quarter of each side are the cells of its grid.
  public var view: PixelSize
  /// The tokens.
  public var vocabulary: GroundingVocabulary
  /// How the instruction is read.
  public var instruction: Instruction

  /// The policy of the synthetic pages: d 64, two blocks, a view of 64 × 64 pixels.
  public init(
    width: Int = 64,
    blockCount: Int = 2,
    view: PixelSize = PixelSize(width: 64, height: 64),
    instruction: Instruction = .words
  ) {
    self.width = width
    self.blockCount = blockCount
    headCount = 4
    stemWidths = [16, 48]
    self.view = view
    self.instruction = instruction
    vocabulary = GroundingVocabulary(thinking: instruction == .words ? .wordsAndPlaces : .places)
  }

  /// The columns of the grid: what two convolutions of stride 2 leave of the view.
  public var gridWidth: Int { (view.width + 3) / 4 }
  /// The rows of the grid.
  public var gridHeight: Int { (view.height + 3) / 4 }

  /// The positions before a response.
  var prefixLength: Int { instruction == .words ? 2 : 1 }

  /// What is wrong with the numbers, or nil.
  public var flaw: String? {
    if !(1...4096).contains(width) || !(1...64).contains(headCount) || width % headCount != 0 {
      return "a width of \(width) for \(headCount) heads"
    }
    if !(1...64).contains(blockCount) { return "\(blockCount) blocks, 1 to 64 are needed" }
    if stemWidths.count != 2 || !stemWidths.allSatisfy({ (1...4096).contains($0) }) {
      return "stem widths of \(stemWidths), two of 1 to 4096 are needed"
    }
    if !(16...4096).contains(view.width) || !(16...4096).contains(view.height) {
      return "a view of \(view.width) × \(view.height) pixels, 16 to 4096 a side are needed"
    }
    if !(4...4096).contains(vocabulary.binCount) {
      return "\(vocabulary.binCount) bins, 4 to 4096 are needed"
    }
    let members = gridWidth * gridHeight * (32 + 2 * vocabulary.binCount)
    if members > 1 << 26 {
      return "\(vocabulary.binCount) bins for a view of \(view) pixels, which is too much"
    }
    guard case .bytes(let length, let blocks) = instruction else { return nil }
    if !(1...4096).contains(length) { return "instructions of \(length) bytes" }
    return (0...64).contains(blocks) ? nil : "\(blocks) blocks for the instruction"
  }
}
