#if canImport(FoundationEssentials)
  import FoundationEssentials
#else
  import Foundation
#endif

/// Data sets that programs find by their names: those below the folder that the variable `APUS_DATA` names,
/// `../shared/data` where it is not set.
package enum SharedData {
  /// The mean and the deviation of the pixels of Fashion-MNIST's training images, in [0, 1].
  package static let fashionPixels: (mean: Float, deviation: Float) = (0.2860, 0.3530)

  /// The path of a file or folder there.
  package static func path(_ name: String) -> String {
    (ProcessInfo.processInfo.environment["APUS_DATA"] ?? "../shared/data") + "/" + name
  }

  /// A path as it was typed, or the set of images of that name where nothing lies there: `mnist`.
  package static func images(_ path: String) -> String {
    let files = FileManager.default
    let shared = Self.path("images/" + path)
    return !files.fileExists(atPath: path) && files.fileExists(atPath: shared) ? shared : path
  }
}
