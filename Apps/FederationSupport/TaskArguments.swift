package import ArgumentParser
import Checkpoints
package import Federated
package import Support

#if canImport(FoundationEssentials)
  import FoundationEssentials
#else
  import Foundation
#endif

/// What is learned: the data and the network.
package struct TaskArguments: ParsableArguments {
  @Argument(
    help: ArgumentHelp(
      "mnist, fashion or bytes (from APUS_DATA), a folder with MNIST's four files, or text files.",
      valueName: "data"
    )
  )
  package var data: [String]
  @Option(help: "So many of the first training images; of each text, so many windows.")
  package var trainingLimit: Int?
  @Option(help: "So many of the first test images.")
  var testLimit: Int?
  @Option(
    help: """
      The name of what is learned, which a server and its devices must share: devices with images or \
      texts of their own say what the server says. (default: mnist, fashion, images or bytes)
      """
  )
  package var task: String?
  @OptionGroup var network: NetworkArguments

  package init() {}

  package func validate() throws {
    guard !data.isEmpty else { throw ValidationError("name the data: mnist, for example") }
    guard trainingLimit ?? 1 > 0, testLimit ?? 1 > 0 else {
      throw ValidationError("limits must be above 0")
    }
  }

  /// Refuses options for images beside texts.
  package func checkTexts() throws(CommandFailure) {
    guard testLimit == nil && network.isStandard else {
      throw CommandFailure(
        "--hidden, --channels, --norm and --test-limit belong to images; leave them out",
        code: .usage
      )
    }
  }

  /// Reads the data.
  package func load() throws -> any FederatedTask {
    switch data {
    case ["mnist"]: return try images("mnist", SharedData.path("images/mnist"), nil)
    case ["fashion"]:
      let folder = SharedData.path("images/fashion-mnist")
      return try images("fashion", folder, SharedData.fashionPixels)
    case ["bytes"]:
      let names = ["moby-dick", "pride-and-prejudice", "sherlock-holmes-adventures"]
      let more = ["tinyshakespeare", "war-and-peace"]
      return try texts("bytes", (names + more).map { SharedData.path("text/\($0).txt") })
    default: break
    }
    guard let isFolder = isFolder(at: data[0]) else {
      throw CommandFailure(
        "no \(data[0].printable); give mnist, fashion, bytes, a folder or text files"
      )
    }
    if isFolder { return try images("images", data[0], nil) }
    return try texts("bytes", data)
  }

  private func images(
    _ name: String,
    _ folder: String,
    _ pixels: (mean: Float, deviation: Float)?
  ) throws -> any FederatedTask {
    var configuration = ImageTask.Configuration()
    configuration.network = network.network
    configuration.trainingLimit = trainingLimit
    configuration.testLimit = testLimit
    if let pixels { (configuration.mean, configuration.deviation) = pixels }
    do { return try ImageTask(name: task ?? name, folder: folder, configuration) } catch {
      throw CommandFailure("\(error)")
    }
  }

  private func texts(_ name: String, _ files: [String]) throws -> any FederatedTask {
    var configuration = ByteLanguageTask.Configuration()
    try checkTexts()
    configuration.windowLimit = trainingLimit
    do { return try ByteLanguageTask(name: task ?? name, files: files, configuration) } catch {
      throw CommandFailure("\(error)")
    }
  }
}

/// The network of image tasks.
package struct NetworkArguments: ParsableArguments {
  @Option(parsing: .upToNextOption, help: "The widths of a perceptron's hidden layers.")
  var hidden: [Int] = [128, 64]
  @Option(
    parsing: .upToNextOption,
    help: "The channels of a convolutional network's blocks, instead of a perceptron."
  )
  var channels: [Int] = []
  @Option(help: "What follows a convolution: none, group or batch (static).")
  var norm = NormChoice.group

  package enum NormChoice: String, CaseIterable, ExpressibleByArgument {
    case none
    case group
    case batch
  }

  package init() {}

  /// Whether nothing was chosen.
  package var isStandard: Bool { hidden == [128, 64] && channels.isEmpty && norm == .group }

  /// The network that was chosen.
  package var network: ImageNetwork {
    guard !channels.isEmpty else { return .perceptron(hidden: hidden) }
    switch norm {
    case .none: return .convolutional(channels: channels, norm: .none)
    case .group: return .convolutional(channels: channels, norm: .group(4))
    case .batch: return .convolutional(channels: channels, norm: .staticBatch)
    }
  }
}
