import Foundation
import Support

/// The model that comes with the program: `street.safetensors`.
enum ShippedModel {
  static let name = "street.safetensors"

  /// Where the model is.
  ///
  /// Looked for in this order: in the folder that `APUS_MODELS` names, in `share/apus` beside the
  /// executable or beside the folder that it is in, and in `Models` of the checkout that the
  /// executable was built in.
  ///
  /// - Throws: `CommandFailure` that lists where it was looked for.
  static func path() throws(CommandFailure) -> String {
    let places = candidates
    if let found = places.first(where: { FileManager.default.fileExists(atPath: $0) }) {
      return found
    }
    throw CommandFailure(
      "no model: \(name) is not in \(places.joined(separator: ", ")); give a model with --model, or "
        + "set APUS_MODELS to the folder that has \(name)"
    )
  }

  private static var candidates: [String] {
    var places: [String] = []
    if let folder = ProcessInfo.processInfo.environment["APUS_MODELS"], !folder.isEmpty {
      places.append(folder + "/" + name)
    }
    guard let program = Bundle.main.executableURL?.resolvingSymlinksInPath() else { return places }
    let folder = program.deletingLastPathComponent()
    for place in [folder, folder.deletingLastPathComponent()] {
      places.append(path(place, "share/apus/" + name))
    }
    // Packages are built into a folder of the checkout.
    var checkout = folder
    while checkout.pathComponents.count > 1 {
      if FileManager.default.fileExists(atPath: path(checkout, "Package.swift")) {
        places.append(path(checkout, "Models/" + name))
        break
      }
      checkout.deleteLastPathComponent()
    }
    return places
  }

  private static func path(_ folder: URL, _ name: String) -> String {
    folder.appending(path: name).path(percentEncoded: false)
  }
}
