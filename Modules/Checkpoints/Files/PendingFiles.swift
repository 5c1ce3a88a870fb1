import Synchronization

#if canImport(FoundationEssentials)
  import FoundationEssentials
#else
  import Foundation
#endif

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

/// The temporary files and folders that exist now, for the whole process.
enum PendingFiles {
  private static let paths = Mutex<Set<String>>([])
  private static let counter = Atomic<Int>(0)

  /// A name beside `target` that nobody else uses: `.NAME.PID-NUMBER.apus-tmp`.
  static func path(beside target: String) -> String {
    let number = counter.add(1, ordering: .relaxed).newValue
    let (folder, name) = folderAndName(of: target)
    return "\(folder)/.\(start(of: name)).\(getpid())-\(number).apus-tmp"
  }

  /// What of a target's name stands in that of its temporary file: file names end at 255 bytes, and the
  /// beginning is enough to recognise one.
  static func start(of name: String) -> String {
    String(decoding: name.utf8.prefix(200), as: UTF8.self)
  }

  /// Creates and registers a file in one step, so that `removeAll` cannot miss it.
  static func createFile(_ path: String) throws(FileProblem) -> FileHandleNumber {
    try paths.withLock { paths throws(FileProblem) in
      let file = try FileHandleNumber(opening: path, O_RDWR | O_CREAT | O_EXCL)
      paths.insert(path)
      return file
    }
  }

  /// Creates and registers a folder in one step.
  static func createFolder(_ path: String) throws(FileProblem) {
    try paths.withLock { paths throws(FileProblem) in
      guard mkdir(path, 0o777) == 0 else { throw FileProblem(errno) }
      paths.insert(path)
    }
  }

  /// Moves a pending file or folder to its place.
  static func move(_ path: String, to target: String) throws(FileProblem) {
    try paths.withLock { paths throws(FileProblem) in
      guard paths.contains(path) else { throw .interrupted }
      guard rename(path, target) == 0 else { throw FileProblem(errno) }
      paths.remove(path)
    }
  }

  static func remove(_ path: String) {
    paths.withLock { paths in
      if paths.remove(path) != nil { try? FileManager.default.removeItem(atPath: path) }
    }
  }

  /// Whether this process is writing that file or folder now.
  static func isPending(_ path: String) -> Bool { paths.withLock { $0.contains(path) } }

  static func removeAll() {
    paths.withLock { paths in
      for path in paths { try? FileManager.default.removeItem(atPath: path) }
      paths = []
    }
  }
}

/// The folder that a path lies in, and its last part.
func folderAndName(of path: String) -> (folder: String, name: String) {
  guard let slash = path.lastIndex(of: "/") else { return (".", path) }
  let folder = path[..<slash]
  return (folder.isEmpty ? "/" : String(folder), String(path[path.index(after: slash)...]))
}

/// Makes a renaming durable, where the file system can flush a folder.
func synchronizeFolder(of path: String) {
  let folder = try? FileHandleNumber(opening: folderAndName(of: path).folder, O_RDONLY)
  try? folder?.synchronize()
}
