/// What a native policy writes before its answer.
public enum NativeThinking: String, Codable, CaseIterable, Sendable {
  /// Colour, shape, and the place from coarse to fine: for synthetic pages.
  case wordsAndPlaces
  /// The place from coarse to fine: for pages of any kind.
  case places
  /// Nothing: the answer alone, a row of the ablation.
  case none

  /// The words between `<think>` and `</think>`.
  var wordCount: Int {
    switch self {
    case .wordsAndPlaces: 4
    case .places: 2
    case .none: 0
    }
  }
}
