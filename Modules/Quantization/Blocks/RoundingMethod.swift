/// How the codes of a block's layers are chosen, with what each method needs to know.
public enum RoundingMethod: Codable, Hashable, Sendable {
  /// Round to nearest.
  case nearest
  /// Column by column with error feedback, one layer's inputs after the other.
  case gptq(GPTQ = GPTQ())
  /// Groups along the inputs or the outputs, whichever hurts a layer's output less.
  case adaDim(AdaDim.Base, selection: AdaDim.Selection = .nearest)
  /// Rounding learned block by block.
  case learned(LearnedRoundingMethod, ReconstructionSettings = ReconstructionSettings())

  /// The method's name in a model's configuration.
  public var name: QuantizationConfiguration.Method {
    switch self {
    case .nearest: .roundToNearest
    case .gptq: .gptq
    case .adaDim(.nearest, _): .adaDimNearest
    case .adaDim(.gptq, _): .adaDimGPTQ
    case .learned(.adaRound, _): .adaRound
    case .learned(.flexRound, _): .flexRound
    case .learned(.lrq, _): .lrq
    }
  }
}
