import Checkpoints
import Support

/// What a run of `train` was measured to take, from the report in its folder.
struct MeasuredRun: Encodable {
  var run: String
  var method: String
  /// How the base held its weights, or what the adapters were.
  var settings: String
  var trainedCount: Int
  /// The most bytes of tensors in memory within a step; weights that stay in their file not included.
  var tensorBytes: Int
  /// The most bytes of the process in physical memory, loading and writing included; nil where it is
  /// unknown.
  var processBytes: Int?
  /// The task's file or folder.
  var taskBytes: Int

  /// Reads the report of a run of a model with so many numbers.
  ///
  /// - Throws: `CommandFailure` where there is none, one without these numbers, or one of another model.
  init(_ folder: String, parameters: Int) throws {
    run = folder
    let path = folder + "/report.json"
    let document: JSONValue
    do { document = try JSONValue.read(path) } catch {
      throw CommandFailure("--run \(folder): \(error); name the folder of a finished 'train'")
    }
    guard let method = document["method"]?.stringValue,
      let settings = document["settings"]?.stringValue,
      let trained = document["report"]?["trainableCount"]?.intValue,
      let tensors = document["report"]?["peakTensorBytes"]?.intValue,
      let task = document["resultBytes"]?.intValue
    else { throw CommandFailure("--run \(folder): \(path) is no report of a 'train'") }
    if let found = document["memory"]?["parameters"]?.intValue, found != parameters {
      throw CommandFailure(
        "--run \(folder) is of a model of \(found.grouped) numbers, this one has \(parameters.grouped); "
          + "name runs of this model"
      )
    }
    (self.method, self.settings) = (method, settings)
    (trainedCount, tensorBytes, taskBytes) = (trained, tensors, task)
    processBytes = document["peakProcessBytes"]?.intValue
  }

  /// The cells of a row beside the computed ones.
  var cells: [String] {
    [
      "\(run): \(method), \(settings); tensors" + (processBytes == nil ? "" : " / process"),
      trainedCount.grouped, "", "", "", "",
      byteCount(tensorBytes) + (processBytes.map { " / " + byteCount($0) } ?? ""),
      byteCount(taskBytes),
    ]
  }
}
