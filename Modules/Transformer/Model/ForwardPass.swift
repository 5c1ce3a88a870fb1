public import Autograd
import Tensor

/// A place in a transformer that a probe may look at.
public enum ModelSite: Hashable, Sendable {
  /// The residual stream: depth 0 after the embedding, l after block l − 1; [R × D].
  case stream(depth: Int)
  /// What attention writes, before a norm of outputs; [R × D].
  case attention(block: Int)
  /// What the last layer of the feed-forward network reads; [R × F].
  case feedForwardHidden(block: Int)
  /// What the feed-forward network writes, before a norm of outputs; [R × D].
  case feedForward(block: Int)
}

/// Sees the values of a forward pass as they are made.
public typealias ModelObserver = (_ site: ModelSite, _ value: Variable) -> Void

/// What all blocks of one forward pass share: which rows belong together, and where they stand.
struct ForwardPass {
  /// New rows of a sequence whose earlier ones are in a cache.
  struct Span {
    let cache: KeyValueCache
    let rows: Range<Int>
  }

  enum Sequences {
    /// Complete sequences of one length, one after the other.
    case whole(batch: Int, length: Int, mask: AttentionMask)
    /// The next rows of sequences of any lengths.
    case cached([Span])
  }

  let sequences: Sequences
  let observe: ModelObserver?
  private let rotary: RotaryTable?
  private let windowRotary: RotaryTable?

  init(
    _ sequences: Sequences,
    positions: [Int32],
    rotary: RotaryEmbedding?,
    windowRotary: RotaryEmbedding?,
    observe: ModelObserver?
  ) {
    self.sequences = sequences
    self.observe = observe
    self.rotary = rotary?.table(positions: positions)
    self.windowRotary = windowRotary?.table(positions: positions)
  }

  /// The cosines and sines of the rows; nil if queries and keys do not turn.
  func rotary(hasWindow: Bool) -> RotaryTable? {
    hasWindow ? windowRotary ?? rotary : rotary
  }
}
