/// A group of measurements under one name on the command line.
///
/// A new suite is one file that extends this type, and its place in `all`.
struct Suite: Sendable {
  /// The name on the command line and in the JSON.
  let name: String
  /// What is measured, in a few words.
  let summary: String
  /// Measures everything and reports row by row.
  let measure: @Sendable (BenchRun) throws -> Void

  /// The suites in the order in which `all` runs them.
  static let all: [Suite] = [
    .core, .quantization, .tuning, .pointCloud, .novelty, .grounding, .inference,
  ]
}
