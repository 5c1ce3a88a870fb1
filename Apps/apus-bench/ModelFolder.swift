import Checkpoints
import Foundation
import Tensor
import Transformer

/// Makes sure that a model lies in a Hugging Face folder as float32, which both sides read.
enum ModelFolder {
  /// The folder of the model itself if its weights are float32, otherwise of a copy in the cache.
  static func float32(of path: String?, say: (String) -> Void) throws -> URL {
    guard let path else {
      throw BenchError.noModel("this suite needs --model (a Hugging Face folder or a GGUF file)")
    }
    let url = URL(fileURLWithPath: path)
    let pretrained = try PretrainedModel(at: url)
    let names = pretrained.configuration.tensorNames
    let isFloat32 = names.allSatisfy { pretrained.catalog.describe($0)?.storage == "F32" }
    if pretrained.format == .huggingFace && isFloat32 { return url }
    let folder = try copyFolder(of: url)
    if FileManager.default.fileExists(atPath: folder.appending(path: "config.json").path) {
      return folder
    }
    say("writing the weights as float32 to \(folder.path)")
    try write(pretrained, to: folder)
    return folder
  }

  /// Where the copy goes: a folder for each model and each of its versions.
  private static func copyFolder(of url: URL) throws -> URL {
    let attributes = try FileManager.default.attributesOfItem(atPath: url.path)
    let changed = (attributes[.modificationDate] as? Date ?? .distantPast).timeIntervalSince1970
    let name = url.deletingPathExtension().lastPathComponent
    return try cache().appending(path: "\(name)-float32-\(Int(changed))")
  }

  /// Where files that benchmarks make are kept.
  static func cache() throws -> URL {
    try FileManager.default.url(
      for: .cachesDirectory,
      in: .userDomainMask,
      appropriateFor: nil,
      create: true
    ).appending(path: "apus/bench")
  }

  private static func write(_ pretrained: PretrainedModel, to folder: URL) throws {
    let target = try AtomicFolder(path: folder.path, replacing: true)
    for (name, data) in try pretrained.documents {
      try AtomicFile.write(data, to: target.file(name))
    }
    var document = pretrained.configurationDocument
    document["torch_dtype"] = "float32"
    try AtomicFile.write(
      JSONValue.object(document).serialized(pretty: true) + "\n",
      to: target.file("config.json")
    )
    let names = pretrained.configuration.tensorNames
    let declarations = try names.map { name in
      SafetensorsDeclaration(
        name: name,
        type: .float32,
        shape: try pretrained.catalog.floats(name).shape
      )
    }
    let writer = try SafetensorsWriter(
      path: target.file("model.safetensors"),
      tensors: declarations,
      metadata: ["format": "pt"]
    )
    for name in names { try writer.write(pretrained.catalog.floats(name), named: name) }
    try writer.finish()
    try target.commit()
  }
}
