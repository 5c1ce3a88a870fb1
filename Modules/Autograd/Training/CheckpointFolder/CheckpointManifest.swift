import Checkpoints

/// What `manifest.json` holds: the format, and the size and checksum of every other file.
struct CheckpointManifest {
  static let fileName = "manifest.json"
  static let format = "apus-training-checkpoint"
  static let version = 1

  struct File: Equatable {
    var byteCount: Int
    var checksum: UInt64
  }

  var files: [String: File] = [:]

  init() {}

  /// Notes a file as it is on the disk.
  mutating func add(_ name: String, at path: String) throws(CheckpointError) {
    files[name] = try Self.measure(path)
  }

  private static func measure(_ path: String) throws(CheckpointError) -> File {
    let file = try MappedFile(path: path)
    defer { withExtendedLifetime(file) {} }
    file.advise(.sequential)
    return File(byteCount: file.bytes.count, checksum: XXHash64.hash(file.bytes))
  }

  func write(to path: String) throws(CheckpointError) {
    var list = JSONObject()
    for (name, file) in files.sorted(by: { $0.key < $1.key }) {
      list[name] = [
        "bytes": .integer(Int64(file.byteCount)), "xxh64": .string(hexadecimal(file.checksum)),
      ]
    }
    let document: JSONValue = [
      "format": .string(Self.format), "version": .integer(Int64(Self.version)),
      "files": .object(list),
    ]
    try document.write(to: path)
  }

  /// Reads the manifest of a folder and compares every file with it.
  ///
  /// - Throws: `ManifestFault` with the first difference.
  init(checking folder: String) throws(ManifestFault) {
    let document: JSONValue
    do throws(CheckpointError) { document = try .read(folder + "/" + Self.fileName) } catch {
      throw ManifestFault(Self.fileName, error)
    }
    guard document["format"]?.stringValue == Self.format else {
      throw ManifestFault("\(Self.fileName) is not one of a training checkpoint")
    }
    guard let version = document["version"]?.intValue, version == Self.version else {
      let found = document["version"].map(\.description) ?? "none"
      throw ManifestFault("format version \(found), this program reads \(Self.version)")
    }
    guard let list = document["files"]?.objectValue else {
      throw ManifestFault("\(Self.fileName) lists no files")
    }
    for (name, entry) in list {
      guard let byteCount = entry["bytes"]?.intValue, let text = entry["xxh64"]?.stringValue,
        let checksum = UInt64(text, radix: 16), Self.isPlain(name)
      else { throw ManifestFault("\(Self.fileName), entry \(name.quotedForMessage) is unusable") }
      files[name] = File(byteCount: byteCount, checksum: checksum)
    }
    guard files[CheckpointState.fileName] != nil else {
      throw ManifestFault("\(Self.fileName) does not list \(CheckpointState.fileName)")
    }
    for name in files.keys.sorted() { try check(name, in: folder) }
  }

  private func check(_ name: String, in folder: String) throws(ManifestFault) {
    guard let expected = files[name] else { return }
    let found: File
    do throws(CheckpointError) { found = try Self.measure(folder + "/" + name) } catch {
      throw ManifestFault(name, error)
    }
    guard found.byteCount == expected.byteCount else {
      throw ManifestFault(
        "\(name) has \(found.byteCount) bytes, \(expected.byteCount) were written"
      )
    }
    guard found.checksum == expected.checksum else {
      throw ManifestFault(
        "\(name) has the checksum \(hexadecimal(found.checksum)), "
          + "\(hexadecimal(expected.checksum)) was written"
      )
    }
  }

  /// Whether a name is that of a file that a checkpoint may hold.
  static func isPlain(_ name: String) -> Bool {
    !name.isEmpty && !name.hasPrefix(".") && name.utf8.count <= 200
      && name.utf8.allSatisfy { byte in
        switch byte {
        case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x2D, 0x2E, 0x5F: true
        default: false
        }
      }
  }
}

/// How a checkpoint differs from what was written.
struct ManifestFault: Error {
  let reason: String

  init(_ reason: String) { self.reason = reason }

  init(_ name: String, _ error: CheckpointError) {
    switch error {
    case .unreadable(_, let problem): reason = "\(name): \(problem)"
    case .json(_, let error): reason = "\(name): \(error)"
    default: reason = "\(name): \(error)"
    }
  }
}

private func hexadecimal(_ value: UInt64) -> String {
  let digits = String(value, radix: 16)
  return String(repeating: "0", count: 16 - digits.count) + digits
}
