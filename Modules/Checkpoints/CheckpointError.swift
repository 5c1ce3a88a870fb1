/// Why a file of weights could not be read or written.
public enum CheckpointError: Error, Equatable, Sendable {
  /// The file cannot be opened or read.
  case unreadable(path: String, FileProblem)
  /// The file cannot be written; nothing of it was left behind.
  case unwritable(path: String, FileProblem)
  /// The file, or its header, is not the JSON it should be.
  case json(path: String, JSONError)
  /// The file breaks its format; `tensor` and the byte `offset` are given where they are known.
  case malformed(path: String, tensor: String?, offset: Int?, reason: String)
  /// A tensor is stored in a type that this version does not read.
  case unsupportedType(path: String, tensor: String, type: String)
  /// There is no such tensor; `near` lists the most similar names, best first.
  case missingTensor(path: String, name: String, near: [String])
  /// A tensor has another shape than the caller needs.
  case shapeMismatch(path: String, name: String, expected: [Int], found: [Int])
  /// The stored numbers cannot become the wanted element type without loss of meaning.
  case inconvertible(path: String, name: String, from: String, to: String)
  /// There is no such metadata key.
  case missingKey(path: String, key: String)
  /// A metadata value has another type than the caller needs.
  case keyType(path: String, key: String, expected: String, found: String)

  /// A file without one of the entries its reader needs, or with a wrong one.
  static func malformed(_ path: String, at offset: Int? = nil, _ reason: String) -> Self {
    .malformed(path: path, tensor: nil, offset: offset, reason: reason)
  }
}

/// What the file system answered.
public enum FileProblem: Error, Equatable, Sendable {
  /// There is no such file, or no such folder to write into.
  case missing
  /// The path names a folder.
  case isFolder
  /// The path names a device, a pipe or a socket.
  case isNotRegular
  /// The file, its folder or its file system does not permit it.
  case notPermitted
  /// The disk, the quota or the largest allowed file size is exhausted.
  case noSpace
  /// The file shrank while it was read.
  case changed
  /// `AtomicFile.removePendingFiles()` took the unfinished file away.
  case interrupted
  /// Any other error, by its number and its text.
  case system(code: Int32, text: String)
}

extension CheckpointError: CustomStringConvertible {
  /// The file, the place in it, and the reason.
  public var description: String {
    switch self {
    case .unreadable(let path, let problem): "read \(path): \(problem)"
    case .unwritable(let path, let problem): "write \(path): \(problem)"
    case .json(let path, let error): "\(path): \(error)"
    case .malformed(let path, let tensor, let offset, let reason):
      path + (tensor.map { ", tensor \($0.quotedForMessage)" } ?? "")
        + (offset.map { ", byte \($0)" } ?? "") + ": " + reason
    case .unsupportedType(let path, let tensor, let type):
      "\(path), tensor \(tensor.quotedForMessage): type \(type.quotedForMessage) is not supported"
    case .missingTensor(let path, let name, let near):
      "\(path): no tensor \(name.quotedForMessage)"
        + (near.isEmpty
          ? "" : ", near names: " + near.map(\.quotedForMessage).joined(separator: ", "))
    case .shapeMismatch(let path, let name, let expected, let found):
      "\(path), tensor \(name.quotedForMessage): shape \(found), expected \(expected)"
    case .inconvertible(let path, let name, let from, let to):
      "\(path), tensor \(name.quotedForMessage): \(from) does not convert to \(to)"
    case .missingKey(let path, let key): "\(path): no metadata key \(key.quotedForMessage)"
    case .keyType(let path, let key, let expected, let found):
      "\(path), metadata key \(key.quotedForMessage): \(found), expected \(expected)"
    }
  }
}

extension FileProblem: CustomStringConvertible {
  /// The answer in words.
  public var description: String {
    switch self {
    case .missing: "no such file or folder"
    case .isFolder: "is a folder"
    case .isNotRegular: "is not a regular file"
    case .notPermitted: "not permitted"
    case .noSpace: "no space left on the disk"
    case .changed: "changed while it was read"
    case .interrupted: "interrupted"
    case .system(let code, let text): "\(text) (\(code))"
    }
  }
}

/// The names most similar to `name`, best first: for errors about a name that is not there.
func nearNames(to name: String, in names: [String], limit: Int = 5) -> [String] {
  let wanted = Array(name.utf8.prefix(256))
  // A long list is cut: this runs only on the way to an error, and must stay fast there too.
  let ranked = names.prefix(20_000).map { candidate in
    (candidate, editDistance(wanted, Array(candidate.utf8.prefix(256))))
  }
  let near = ranked.filter { $0.1 <= max(wanted.count, $0.0.utf8.count) / 2 }
  return near.sorted { ($0.1, $0.0) < ($1.1, $1.0) }.prefix(limit).map(\.0)
}

/// The number of insertions, deletions and replacements between two byte strings.
private func editDistance(_ left: [UInt8], _ right: [UInt8]) -> Int {
  var row = Array(0...right.count)
  for (i, a) in left.enumerated() {
    var diagonal = row[0]
    row[0] = i + 1
    for (j, b) in right.enumerated() {
      let above = row[j + 1]
      row[j + 1] = min(above + 1, row[j] + 1, diagonal + (a == b ? 0 : 1))
      diagonal = above
    }
  }
  return row[right.count]
}
