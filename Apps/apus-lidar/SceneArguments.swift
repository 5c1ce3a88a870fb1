import ArgumentParser

/// Limits of what is simulated.
enum SceneArguments {
  /// The most scenes, and the largest number of one.
  static let most = 1_000_000_000
}
