import Quantization

/// One quantized net of a study.
struct StudyCell: Codable, Hashable {
  var architecture: Architecture
  var bits: Int
  var range: RangeEstimation
  var method: StudyMethod
  var learningRate: Float
  /// Of the choice of calibration images and of their order.
  var seed: UInt64
}

/// What came of a cell.
struct StudyResult: Codable {
  var cell: StudyCell
  /// Of the test images.
  var accuracy: Double
  /// The mean squared error of each block's output against the float net's, on calibration images that
  /// were not trained on.
  var blockErrors: [Double]
  /// How many weights of the blocks that are not kept at 8 bits have another code than by
  /// round-to-nearest, and by how much at most; nil for round-to-nearest.
  var moved: MovedWeights?
  /// How many blocks kept their start because nothing better was found.
  var keptStarts: Int
  var seconds: Double

  /// The error at the logits.
  var outputError: Double { blockErrors.last ?? 0 }
}

/// How far codes moved from round-to-nearest.
struct MovedWeights: Codable {
  /// The share of codes that differ.
  var share: Double
  /// The share of codes that differ by more than one step.
  var shareBeyondOne: Double
}

/// A study: its settings, the float nets, and all results so far.
struct StudyFile: Codable {
  /// What all cells share.
  struct Settings: Codable, Equatable {
    var samples: Int
    var steps: Int
    var batchSize: Int
    var heldBackShare: Double
    var edgeBits: Int
  }

  var settings: Settings
  var nets: [TrainedNet]
  var results: [StudyResult] = []

  /// The result of a cell; nil while there is none.
  subscript(cell: StudyCell) -> StudyResult? { results.first { $0.cell == cell } }
}
