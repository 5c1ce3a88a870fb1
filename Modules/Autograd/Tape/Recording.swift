/// Whether operations leave nodes on the tape: true but inside `withoutGradients`.
package enum Recording {
  @TaskLocal package static var isOn = true
  /// Whether operations run for values whose tape is made in a later, second run.
  @TaskLocal package static var isDeferred = false
  /// Whether this is a pass of training: recorded now or later.
  package static var isTraining: Bool { isOn || isDeferred }
}

/// Runs code whose operations leave nothing on the tape: inference, evaluation, updates by hand.
///
///     let logits = withoutGradients { model(tokens) }
///
/// The scope follows the task, also across `await`.
public func withoutGradients<Result, Failure: Error>(
  _ body: () throws(Failure) -> Result
) throws(Failure) -> Result {
  // `withValue` rethrows any error; the result carries the typed one through.
  let outcome = Recording.$isOn.withValue(false) { () -> Swift.Result<Result, Failure> in
    do throws(Failure) { return .success(try body()) } catch { return .failure(error) }
  }
  return try outcome.get()
}
