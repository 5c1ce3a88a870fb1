import ArgumentParser

/// What of a model is trained.
enum TuningMethod: String, ExpressibleByArgument, CaseIterable {
  /// The step sizes of packed codes.
  case peqa
  /// Scales of binary codes.
  case alphaTuning = "alphatuning"
  /// Low-rank adapters.
  case lora
  /// All weights.
  case full

  /// The learning rate where none is given; nil where it depends on the scales that are trained.
  ///
  /// - Source: LoRA's setup for GPT-2 (Hu et al. 2021, table 11); Stanford Alpaca's for all weights.
  var learningRate: Float? {
    switch self {
    case .peqa, .alphaTuning: nil
    case .lora: 2e-4
    case .full: 2e-5
    }
  }
}
