public import Autograd
public import Checkpoints
public import LinearAlgebra
public import Tensor

/// Why novelty detection could not do what was asked.
public enum NoveltyError: Error, Equatable {
  /// Inputs have another shape than the detector takes.
  case shape(operation: String, expected: String, found: Shape)
  /// There are not as many labels as inputs.
  case labelCount(inputs: Int, labels: Int)
  /// An input is NaN or infinite.
  case notFinite(operation: String, row: Int)
  /// Inputs lie outside what the network can give back.
  case outOfRange(minimum: Float, maximum: Float)
  /// There are fewer samples than needed, of a class or of all.
  case tooFewSamples(operation: String, label: Int32?, found: Int, needed: Int)
  /// Inputs are wider than a method can hold in memory.
  case tooWide(operation: String, width: Int, most: Int)
  /// One of normal and novel samples is missing.
  case singleKind(operation: String, isNovel: Bool)
  /// A setting contradicts another, or means nothing.
  case configuration(String)
  /// The detector was not fitted.
  case notFitted(detector: String)
  /// The detector has no calibration.
  case notCalibrated(detector: String)
  /// There is no score of that name.
  case unknownScore(name: String, known: [String])
  /// The score needs something that the fit did not give.
  case scoreNotPrepared(score: NoveltyScore, reason: String)
  /// A loss is not finite.
  case diverged(epoch: Int, quantity: String, value: Float)
  /// The checkpoint in the folder is of another run.
  case otherRun(path: String, difference: String)
  /// A file holds something else than a detector of this kind.
  case content(path: String, reason: String)
  /// A matrix could not be factored.
  case numerics(LinearAlgebraError)
  /// A file cannot be read or written.
  case file(CheckpointError)
  /// A checkpoint cannot be saved or loaded.
  case checkpoint(CheckpointFolderError)
  /// The stored networks do not fit the configuration.
  case network(ModuleError)
}

extension NoveltyError: CustomStringConvertible {
  /// The operation, what is wrong, and what to do.
  public var description: String {
    switch self {
    case .shape(let operation, let expected, let found):
      "\(operation): inputs of shape \(found), expected \(expected)"
    case .labelCount(let inputs, let labels):
      "normal data: \(labels) labels for \(inputs) inputs; give one for each, or none at all"
    case .notFinite(let operation, let row):
      "\(operation): input \(row) has an element that is NaN or infinite; remove or repair it"
    case .outOfRange(let minimum, let maximum):
      "fit: inputs from \(minimum) to \(maximum), but a sigmoid gives back 0 to 1; "
        + "divide pixels by 255, or choose the scaling .unitRange or the output .linear"
    case .tooFewSamples(let operation, let label, let found, let needed):
      "\(operation): \(found) samples\(label.map { " of class \($0)" } ?? ""), "
        + "at least \(needed) are needed"
    case .tooWide(let operation, let width, let most):
      "\(operation): inputs of \(width) numbers, at most \(most) are supported; "
        + "pool them, or use a latent space"
    case .singleKind(let operation, let isNovel):
      "\(operation): there are no \(isNovel ? "novel" : "normal") samples"
    case .configuration(let reason): "novelty configuration: \(reason)"
    case .notFitted(let detector): "\(detector): not fitted yet; call fit(_:) or load a file"
    case .notCalibrated(let detector):
      "\(detector): no calibration; call calibrate(on:rule:) with normals that were held back"
    case .unknownScore(let name, let known):
      "novelty score \(name): unknown, there are \(known.joined(separator: ", "))"
    case .scoreNotPrepared(let score, let reason): "novelty score \(score.rawValue): \(reason)"
    default: remainingDescription
    }
  }

  private var remainingDescription: String {
    switch self {
    case .diverged(let epoch, let quantity, let value):
      "fit, epoch \(epoch): the \(quantity) is \(value); lower the learning rate, check the inputs"
    case .otherRun(let path, let difference):
      "resume \(path): its checkpoint is of another run: \(difference); choose another folder"
    case .content(let path, let reason): "\(path): \(reason)"
    case .numerics(let error): "\(error)"
    case .file(let error): "\(error)"
    case .checkpoint(let error): "\(error)"
    case .network(let error): "\(error)"
    default: "novelty detection"
    }
  }
}

/// Runs something that factors matrices, with its error as one of novelty detection.
func factoring<Result>(
  _ body: () throws(LinearAlgebraError) -> Result
) throws(NoveltyError) -> Result {
  do throws(LinearAlgebraError) { return try body() } catch { throw .numerics(error) }
}

/// Runs something that reads or writes a file.
func filing<Result>(
  _ body: () throws(CheckpointError) -> Result
) throws(NoveltyError) -> Result {
  do throws(CheckpointError) { return try body() } catch { throw .file(error) }
}

/// Runs something that reads or writes a checkpoint of a run.
func checkpointing<Result>(
  _ body: () throws(CheckpointFolderError) -> Result
) throws(NoveltyError) -> Result {
  do throws(CheckpointFolderError) { return try body() } catch { throw .checkpoint(error) }
}
