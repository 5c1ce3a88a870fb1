import Checkpoints
import Foundation
import ModelSupport

/// The mark of a run that is writing its model, or has written it and not come to its end: `output.json`
/// in its work folder.
///
/// Behind the model come its evaluation and its report. A run that is killed there finds its own model in
/// the way when the same command is given again; with the mark it may replace it. Whether it is the same
/// run, the work folder says: other settings are refused before anything is written.
struct UnfinishedOutput {
  /// The work folder.
  let work: String
  private let output: String

  /// The mark of a run.
  ///
  /// - Parameters:
  ///   - typed: the output as it was typed.
  ///   - work: the work folder as it was typed; nil puts it beside the output.
  init(_ typed: String, work: String?) {
    output = OutputFolder.resolved(typed)
    self.work = work ?? output + ".work"
  }

  private var path: String { work + "/output.json" }

  /// Whether a run has begun to write this output, and did not come to its end.
  var isThere: Bool {
    FileManager.default.fileExists(atPath: path)
      && (try? JSONValue.read(path))?["output"]?.stringValue == output
  }

  /// Leaves the mark; the place for the model was found to be free.
  ///
  /// - Throws: `CheckpointError`.
  func begin() throws {
    let document: JSONValue = ["output": .string(output)]
    try AtomicFile.write(document.serialized() + "\n", to: path)
  }

  /// Removes the mark, or the whole work folder: at once, for a part of it could not be gone on with.
  func end(keepingWork: Bool) {
    if keepingWork {
      try? FileManager.default.removeItem(atPath: path)
    } else {
      _ = FolderRemoval.remove(work)
    }
  }
}
