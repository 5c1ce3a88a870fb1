public import Checkpoints
public import ImageFiles

/// Why pages cannot be rendered at all; a single page that fails is a line of the report.
public enum RenderError: Error, Equatable, Sendable {
  /// The browser cannot be started, or ends again and again.
  case browser(BrowserError)
  /// A file cannot be read or written.
  case file(CheckpointError)
  /// A picture cannot be read or written.
  case image(ImageFileError)
  /// The folder holds a run with other settings; the first difference.
  case otherSettings(folder: String, difference: String)
  /// The journal of the folder is damaged.
  case journal(path: String, line: Int)
  /// A setting that makes no sense; what it must be.
  case settings(String)
  /// A set without pages, or a page of a set that is named twice.
  case pages(set: String, reason: String)
}

extension RenderError: CustomStringConvertible {
  /// What is wrong, and what to do.
  public var description: String {
    switch self {
    case .browser(let error): "\(error)"
    case .file(let error): "\(error)"
    case .image(let error): "\(error)"
    case .otherSettings(let folder, let difference):
      "\(folder): holds a run with other settings (\(difference)): use them, or another folder"
    case .journal(let path, let line):
      "\(path), line \(line): damaged: remove the line to have its page rendered again"
    case .settings(let text): "render: \(text)"
    case .pages(let set, let reason): "pages \(set): \(reason)"
    }
  }
}

/// Runs code on files; its errors become ours.
func filing<Value>(
  _ body: () throws(CheckpointError) -> Value
) throws(RenderError) -> Value {
  do throws(CheckpointError) { return try body() } catch { throw .file(error) }
}

/// Runs code on pictures; its errors become ours.
func picturing<Value>(
  _ body: () throws(ImageFileError) -> Value
) throws(RenderError) -> Value {
  do throws(ImageFileError) { return try body() } catch { throw .image(error) }
}
