import ArgumentParser
import Foundation
import PointCloud
import Support

/// Which network is used.
struct ModelArguments: ParsableArguments {
  @Option(
    name: .shortAndLong,
    help: ArgumentHelp(
      "The model: a file or the folder of a run. (default: the one that comes with the program)",
      valueName: "file"
    )
  )
  var model: String?

  /// The path of the model that is meant.
  func path() throws -> String { try model ?? ShippedModel.path() }

  /// The file of the model that is meant.
  func file() throws -> String { try PointSegmenter.file(at: try path()) }

  /// The model that is meant.
  func load() throws -> PointSegmenter { try PointSegmenter.load(try path()) }
}

extension PointSegmenter {
  /// The network in a file, packed or not, or in the folder of a run.
  static func load(_ path: String) throws -> PointSegmenter {
    let file = try file(at: path)
    return PackedSegmenterFile.isPacked(file)
      ? try PackedSegmenterFile.read(file) : try PointSegmenter(path: file)
  }

  /// The file of a network: the one that is named, or that of a run's folder.
  static func file(at path: String) throws -> String {
    var isFolder = ObjCBool(false)
    guard FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) else {
      throw CommandFailure(
        "no model \(path); train one with 'apus-lidar train', or leave --model out"
      )
    }
    guard isFolder.boolValue else { return path }
    let file = path + "/" + TrainedRun.weightsName
    guard FileManager.default.fileExists(atPath: file) else {
      throw CommandFailure(
        "\(path) has no \(TrainedRun.weightsName): the run is not finished; go on with its command"
      )
    }
    return file
  }

  /// The map of a data set's raw labels to the classes of this network.
  func labelMap(from labels: LabelSet) throws(CommandFailure) -> LabelMap {
    if let map = configuration.labelMap(from: labels) { return map }
    throw CommandFailure(
      "the model has the classes \(configuration.classNames.dropFirst().joined(separator: ", ")), "
        + "to which there is no map from the labels of \(labels.rawValue); choose another --label-set"
    )
  }
}
