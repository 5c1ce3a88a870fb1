import Checkpoints
public import Tensor

/// Vectors, a row for each sample, as a file that `apus-novelty` reads.
///
/// A safetensors file has `samples` [N × D] and, where samples have classes, `labels` [N]: places in
/// the list of names under `classes` in its metadata. An NPY file has the vectors alone.
public enum SampleFile {
  /// The tensor of the vectors.
  public static let samplesName = "samples"
  /// The tensor of the classes' places.
  public static let labelsName = "labels"
  /// The key of the classes' names in the metadata.
  public static let classesKey = "classes"

  /// Refuses a path that cannot become such a file, before the work.
  ///
  /// - Throws: `CommandFailure`.
  public static func check(_ path: String, hasClasses: Bool) throws(CommandFailure) {
    guard isNPY(path) || path.hasSuffix(".safetensors") else {
      throw CommandFailure("--output \(path.printable): its name must end in .safetensors or .npy")
    }
    guard !(isNPY(path) && hasClasses) else {
      throw CommandFailure(
        "--output \(path.printable): an NPY file has no place for classes; choose .safetensors, or "
          + "leave the classes out"
      )
    }
  }

  /// Writes vectors [N × D] and, unless nil, the class of each.
  ///
  /// - Throws: `CheckpointError`.
  public static func write(_ vectors: Tensor<Float>, classes: [String]?, to path: String) throws {
    guard !isNPY(path) else { return try NPYFile.write(vectors, to: path) }
    guard let classes else {
      return try SafetensorsFile.write([SafetensorsItem(samplesName, vectors)], to: path)
    }
    var names: [String] = []
    var places: [String: Int32] = [:]
    let labels = classes.map { name in
      if let place = places[name] { return place }
      let place = Int32(names.count)
      names.append(name)
      places[name] = place
      return place
    }
    let list = JSONValue.array(names.map { .string($0) })
    try SafetensorsFile.write(
      [
        SafetensorsItem(samplesName, vectors),
        SafetensorsItem(labelsName, Tensor(labels, shape: [labels.count])),
      ],
      metadata: [classesKey: list.serialized()],
      to: path
    )
  }

  /// The names of the classes in the metadata of a file; nil if it has none.
  public static func classNames(in metadata: [String: String]) -> [String]? {
    guard let text = metadata[classesKey], let list = try? JSONValue.parse(text).arrayValue else {
      return nil
    }
    let names = list.compactMap(\.stringValue)
    return names.count == list.count ? names : nil
  }

  private static func isNPY(_ path: String) -> Bool { path.hasSuffix(".npy") }
}
