import ArgumentParser
import Quantization

/// A way to round: the methods, and FlexRound without one of its parts.
enum StudyMethod: String, Codable, CaseIterable, ExpressibleByArgument {
  /// Round to nearest.
  case nearest = "rtn"
  case adaRound = "adaround"
  case flexRound = "flexround"
  /// FlexRound with s₁ as it starts.
  case fixedStep = "flexround-fixed-s1"
  /// FlexRound without s₃.
  case withoutRowScales = "flexround-no-s3"
  /// FlexRound without s₄.
  case withoutInputScales = "flexround-no-s4"
  /// FlexRound with s₁ and S₂ alone.
  case elementScalesOnly = "flexround-no-s3-s4"

  /// The method whose learning rate it takes: ablations change one thing.
  var rateSource: StudyMethod {
    switch self {
    case .nearest, .adaRound, .flexRound: self
    case .fixedStep, .withoutRowScales, .withoutInputScales, .elementScalesOnly: .flexRound
    }
  }

  /// Whether calibration changes the result.
  var isLearned: Bool { self != .nearest }

  var rounding: LearnedRoundingMethod {
    switch self {
    case .nearest, .flexRound: .flexRound()
    case .adaRound: .adaRound()
    case .fixedStep: .flexRound(.init(learnsStepSize: false))
    case .withoutRowScales: .flexRound(.init(hasRowScales: false))
    case .withoutInputScales: .flexRound(.init(hasInputScales: false))
    case .elementScalesOnly: .flexRound(.init(hasRowScales: false, hasInputScales: false))
    }
  }

  var title: String {
    switch self {
    case .nearest: "RTN"
    case .adaRound: "AdaRound"
    case .flexRound: "FlexRound"
    case .fixedStep: "FlexRound, s₁ fixed"
    case .withoutRowScales: "FlexRound without s₃"
    case .withoutInputScales: "FlexRound without s₄"
    case .elementScalesOnly: "FlexRound without s₃ and s₄"
    }
  }
}

/// How step sizes start.
enum StartRange: String, Codable, CaseIterable, ExpressibleByArgument {
  /// From the smallest to the largest weight.
  case minMax = "minmax"
  /// The range with the smallest Σ |w − ŵ|^2.4.
  case search
  /// The search up to 3 bits, else min-max.
  case automatic = "auto"

  func range(bits: Int) -> RangeEstimation {
    switch self {
    case .minMax: .flexRound
    case .search: .flexRoundSearch
    case .automatic: bits <= 3 ? .flexRoundSearch : .flexRound
    }
  }
}
