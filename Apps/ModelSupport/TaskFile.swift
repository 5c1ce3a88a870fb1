import Checkpoints
import Foundation
package import Quantization
package import Support
import Transformer

/// What a task consists of: scales of a base, or low-rank adapters.
package struct TaskFile {
  /// What was found.
  package enum Content {
    case scales(ScaleAdapter)
    case lowRank(LowRankTask)
  }

  /// The path as it was typed.
  package let path: String
  /// The file of scales, or the folder of low-rank adapters.
  package let place: String
  package let content: Content

  /// Opens a file of scales, a folder in peft's layout, or the folder of a run.
  package init(path: String) throws {
    self.path = path
    var isFolder = ObjCBool(false)
    guard FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) else {
      throw CommandFailure("adapter \(path) does not exist; name a file of scales or a folder")
    }
    guard isFolder.boolValue else {
      place = path
      content = .scales(try ScaleAdapter(path: path))
      return
    }
    func exists(_ name: String) -> Bool {
      FileManager.default.fileExists(atPath: path + "/" + name)
    }
    if exists(LowRankTask.configurationName) {
      place = path
      content = .lowRank(try LowRankTask(folder: path))
    } else if exists("adapter.safetensors") {
      place = path + "/adapter.safetensors"
      content = .scales(try ScaleAdapter(path: place))
    } else if exists("adapter/" + LowRankTask.configurationName) {
      place = path + "/adapter"
      content = .lowRank(try LowRankTask(folder: place))
    } else {
      throw CommandFailure(
        "\(path) holds no adapter: neither adapter.safetensors nor \(LowRankTask.configurationName) "
          + "is there; has its run come to the end?"
      )
    }
  }

  /// The scales.
  ///
  /// - Throws: `CommandFailure` for low-rank adapters.
  package func scales() throws(CommandFailure) -> ScaleAdapter {
    guard case .scales(let adapter) = content else {
      throw CommandFailure("\(path) holds low-rank adapters; a file of scales is needed")
    }
    return adapter
  }
}

/// What a folder of low-rank adapters says about itself.
package struct LowRankTask {
  package static let configurationName = "adapter_config.json"

  /// The name that its training gave it; nil for others' adapters.
  package let task: String?
  package let rank: String
  package let targets: String
  package let base: String
  package let layers: Int
  /// The numbers of all adapters.
  package let count: Int

  package init(folder: String) throws {
    let document = try JSONValue.read(folder + "/" + Self.configurationName)
    let summary = try LowRankAdapterFolder.summary(of: URL(filePath: folder))
    (rank, task) = ("\(summary.rank)", summary.task)
    let names = document["target_modules"]
    targets =
      names?.arrayValue?.compactMap(\.stringValue).joined(separator: ",") ?? names?.stringValue
      ?? ""
    base = document["base_model_name_or_path"]?.stringValue ?? ""
    (layers, count) = (summary.layers, summary.count)
  }
}
