import Checkpoints
import Foundation
import ImageFiles
import Support
import Tensor

/// Reads labelled or plain samples out of whatever a path leads to.
struct SampleReader {
  /// Which of MNIST's files are read.
  enum Part {
    case training, test, all
    var sets: [IDXImages.Part] {
      switch self {
      case .training: [.training]
      case .test: [.test]
      case .all: [.training, .test]
      }
    }
  }

  let vectors: VectorArguments
  var images: ImageReader

  init(_ vectors: VectorArguments, _ target: ImageTarget, advice: String) {
    self.vectors = vectors
    images = ImageReader(target, skipsUnreadable: vectors.skipUnreadable, advice: advice)
  }

  /// What a path leads to.
  enum Kind {
    case idxFolder, imageFolder, image, idx, csv, npy, safetensors

    init(_ path: String) throws(CommandFailure) {
      var isFolder: ObjCBool = false
      guard FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) else {
        throw CommandFailure("\(path): no such file or folder")
      }
      if isFolder.boolValue {
        let hasDigits = IDXImages.Part.allCases.contains { IDXImages.isThere($0, in: path) }
        self = hasDigits ? .idxFolder : .imageFolder
        return
      }
      let name = URL(filePath: path).lastPathComponent.lowercased()
      if ImageFolder.isImage(path) {
        self = .image
      } else if name.contains("-idx3-ubyte") || name.hasSuffix(".idx") {
        self = .idx
      } else if name.hasSuffix(".npy") {
        self = .npy
      } else if name.hasSuffix(".safetensors") {
        self = .safetensors
      } else if [".csv", ".tsv", ".txt"].contains(where: { name.hasSuffix($0) }) {
        self = .csv
      } else {
        throw CommandFailure(
          "\(path): its kind is not known; there are folders, .png, .jpg, .csv, .tsv, .npy, "
            + ".safetensors and IDX files"
        )
      }
    }
  }

  /// All samples of a path, or of the set of that name.
  mutating func read(_ path: String, part: Part) throws -> Samples {
    let path = SharedData.images(path)
    switch try Kind(path) {
    case .idxFolder: return try IDXSet.read(path, part)
    case .imageFolder:
      let (paths, classes) = try ImageFolder.classes(in: path)
      return try read(images: paths, classes)
    case .image: return try read(images: [path], nil)
    case .idx:
      let pixels = try IDXImages.images(path: path)
      return try Samples(.bytes(pixels), classes: nil, places: Self.rows(of: path, pixels.shape[0]))
    case .csv:
      let file = try CSVFile(path: path, labelColumn: vectors.labelColumn)
      return try samples(path, file.values, vectors.labelColumn == nil ? nil : file.labels)
    case .npy: return try samples(path, NPYFile(path: path).floats(), npyLabels())
    case .safetensors: return try safetensors(path)
    }
  }

  private mutating func read(images paths: [String], _ classes: [String]?) throws -> Samples {
    let (pixels, kept) = try images.read(paths)
    guard !kept.isEmpty else { throw CommandFailure("none of \(paths.count) images can be read") }
    return try Samples(
      .bytes(pixels),
      classes: classes.map { classes in kept.map { classes[$0] } },
      places: kept.map { SamplePlace(file: paths[$0], row: nil) }
    )
  }

  private func samples(
    _ path: String,
    _ values: Tensor<Float>,
    _ classes: [String]?
  ) throws -> Samples {
    guard values.rank > 1, values.count > 0 else {
      throw CommandFailure("\(path): numbers of shape \(values.shape), [N × …] is needed")
    }
    if let classes, classes.count != values.shape[0] {
      throw CommandFailure("\(path): \(classes.count) labels for \(values.shape[0]) samples")
    }
    let places = Self.rows(of: path, values.shape[0])
    return try Samples(.numbers(values), classes: classes, places: places)
  }

  private func npyLabels() throws -> [String]? {
    try vectors.labels.map { try NPYFile(path: $0).integers().elements.map { "\($0)" } }
  }

  private func safetensors(_ path: String) throws -> Samples {
    let file = try SafetensorsFile(path: path, mode: .inMemory)
    // What 'embed' and 'apus-lidar features' write says itself which tensor is which.
    let names = vectors.labelTensor == nil ? SampleFile.classNames(in: file.metadata) : nil
    let labelTensor = vectors.labelTensor ?? names.map { _ in SampleFile.labelsName }
    let others = file.names.filter { $0 != labelTensor }
    guard let name = vectors.tensor ?? (others.count == 1 ? others.first : nil) else {
      throw CommandFailure(
        "\(path): give --tensor; there are " + file.names.prefix(12).joined(separator: ", ")
      )
    }
    let labels = try labelTensor.map { label in
      try file.tensor(named: label, as: Int32.self).elements.map { place in
        guard let names else { return "\(place)" }
        guard names.indices.contains(Int(place)) else {
          throw CommandFailure("\(path): label \(place), the file names \(names.count) classes")
        }
        return names[Int(place)]
      }
    }
    return try samples(path, file.tensor(named: name), labels)
  }

  static func rows(of path: String, _ count: Int) -> [SamplePlace] {
    (0..<count).map { SamplePlace(file: path, row: $0 + 1) }
  }
}

/// MNIST's files and those of its relatives.
enum IDXSet {
  static func read(_ folder: String, _ part: SampleReader.Part) throws -> Samples {
    var (images, classes, places): ([Tensor<UInt8>], [String], [SamplePlace]) = ([], [], [])
    for part in part.sets {
      let set = try read(part, in: folder)
      if let first = images.first?.shape.extents,
        first.dropFirst() != set.pixels.shape.extents.dropFirst()
      {
        throw CommandFailure("\(set.path): images \(set.pixels.shape), the others are \(first)")
      }
      images.append(set.pixels)
      classes += set.labels.elements.map { "\($0)" }
      places += SampleReader.rows(of: set.path, set.pixels.shape[0])
    }
    var samples = try Samples(.bytes(.concatenating(images)), classes: classes, places: places)
    if images.count > 1 { samples.officialTrainingCount = images[0].shape[0] }
    return samples
  }

  private static func read(_ part: IDXImages.Part, in folder: String) throws -> IDXImages {
    do throws(CheckpointError) { return try IDXImages(part, in: folder) } catch {
      guard case .unreadable(let path, .missing) = error else { throw error }
      throw CommandFailure("no \(path), nor \(path).gz")
    }
  }
}
