import ArgumentParser
import Support

/// Where numbers and labels of vectors lie.
struct VectorArguments: ParsableArguments {
  @Option(help: ArgumentHelp("The tensor [N × …] of a safetensors file.", valueName: "name"))
  var tensor: String?
  @Option(
    help: ArgumentHelp("The tensor of labels in a safetensors file.", valueName: "name")
  )
  var labelTensor: String?
  @Option(
    help: ArgumentHelp("The column of labels in CSV files: its name, or a number from 1.")
  )
  var labelColumn: String?
  @Option(help: ArgumentHelp("An NPY file with the labels of an NPY file.", valueName: "file"))
  var labels: String?
  @Flag(help: "Leave out images that cannot be read, and name them.")
  var skipUnreadable = false
}

/// How images become samples of one shape.
struct ImageArguments: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "Resize images, 28 or WIDTHxHEIGHT; without it all must have one size.",
      valueName: "pixels"
    )
  )
  var size: ImageSize?
  @Flag(help: "Keep colours; images are grey otherwise.")
  var colour = false

  var target: ImageTarget { ImageTarget(size: size, isColour: colour, resizes: size != nil) }
}

/// Extents of images in pixels.
struct ImageSize: ExpressibleByArgument, Hashable {
  let width: Int
  let height: Int

  init(width: Int, height: Int) {
    self.width = width
    self.height = height
  }

  init?(argument: String) {
    let parts = argument.split(separator: "x", omittingEmptySubsequences: false).map { Int($0) }
    guard (1...2).contains(parts.count), let width = parts[0], let height = parts[parts.count - 1],
      (1...4096).contains(width), (1...4096).contains(height)
    else { return nil }
    self.init(width: width, height: height)
  }

  var text: String { "\(width)x\(height)" }
}

/// What images must become.
struct ImageTarget {
  /// The extents; nil takes the first image's.
  var size: ImageSize?
  var isColour: Bool
  /// Whether images of other extents are resized, not refused.
  var resizes: Bool
}
