/// Why a simulation cannot run.
public enum SimulationError: Error, CustomStringConvertible {
  /// The configuration is out of range.
  case configuration(String)
  /// The data or the network do not fit.
  case task(FederatedTaskError)
  /// A device could not train.
  case training(client: Int, LocalTrainingError)
  /// The rounds cannot go on.
  case round(RoundError)
  /// The checkpoint cannot be written or read, or is of another run.
  case checkpoint(String)
  /// It was stopped; the checkpoint, if there is a folder, is of the last whole round.
  case interrupted(round: Int)

  /// What is wrong and what to do.
  public var description: String {
    switch self {
    case .configuration(let fault): "simulation: \(fault)"
    case .task(let error): "\(error)"
    case .training(let client, let error): "simulation, client \(client): \(error)"
    case .round(let error): "simulation: \(error)"
    case .checkpoint(let reason): "simulation: \(reason)"
    case .interrupted(let round): "simulation: stopped before round \(round)"
    }
  }
}
