import Foundation

/// The folder of this process for readers that want a path.
enum Scratch {
  /// In memory where the system has such a folder.
  static let folder: String = {
    let places = [
      ProcessInfo.processInfo.environment["APUS_FUZZ_SCRATCH"], "/dev/shm", NSTemporaryDirectory(),
    ]
    for place in places.compactMap({ $0 }) where FileManager.default.isWritableFile(atPath: place) {
      let folder = "\(place)/apus-fuzz-\(ProcessInfo.processInfo.processIdentifier)"
      do {
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
      } catch { continue }
      atexit { try? FileManager.default.removeItem(atPath: Scratch.folder) }
      return folder
    }
    stop("no folder to write to")
  }()

  /// Writes bytes to a new file of that name; one that is still mapped stays as it was.
  @discardableResult
  static func file(_ name: String, _ bytes: some Collection<UInt8>) -> String {
    let path = folder + "/" + name
    unlink(path)
    let number = open(path, O_WRONLY | O_CREAT | O_EXCL, 0o600)
    let bytes = Array(bytes)
    guard number >= 0, write(number, bytes, bytes.count) == bytes.count, close(number) == 0 else {
      stop("cannot write \(path)")
    }
    return path
  }

  /// A folder of that name, which is made once.
  static func subfolder(_ name: String) -> String {
    let path = folder + "/" + name
    mkdir(path, 0o700)
    return path
  }

  /// The bytes of the file that `write` makes.
  static func bytes(_ name: String, _ write: (_ path: String) throws -> Void) throws -> [UInt8] {
    let path = folder + "/" + name
    unlink(path)
    try write(path)
    return [UInt8](try Data(contentsOf: URL(filePath: path)))
  }
}

/// Sound files that the tests have.
enum Samples {
  private static let root: String = {
    var url = URL(filePath: #filePath)
    for _ in 0..<2 { url.deleteLastPathComponent() }
    return url.path(percentEncoded: false) + "Fixtures"
  }()

  /// A file below `Tests/Fixtures`.
  static func file(_ name: String) throws -> [UInt8] {
    [UInt8](try Data(contentsOf: URL(filePath: root + "/" + name)))
  }

  /// The files of a folder below `Tests/Fixtures` that are no longer than `limit`.
  static func files(
    _ folder: String,
    prefix: String = "",
    suffix: String = "",
    limit: Int = 40_000
  ) throws -> [[UInt8]] {
    let path = root + "/" + folder
    let names = try FileManager.default.subpathsOfDirectory(atPath: path).sorted()
    let chosen = names.filter {
      let name = ($0 as NSString).lastPathComponent
      return name.hasPrefix(prefix) && name.hasSuffix(suffix)
    }
    return try chosen.map { try file(folder + "/" + $0) }.filter { $0.count <= limit }
  }
}

extension [UInt8] {
  /// The parts in front of the first byte 0 and behind it: two files in one input.
  var halves: (first: ArraySlice<UInt8>, second: ArraySlice<UInt8>) {
    let middle = firstIndex(of: 0) ?? endIndex
    return (self[..<middle], self[middle...].dropFirst())
  }

  /// Two files as one input; the first must have no byte 0.
  static func joining(_ first: some Sequence<UInt8>, _ second: some Sequence<UInt8>) -> [UInt8] {
    Array(first) + [0] + Array(second)
  }
}
