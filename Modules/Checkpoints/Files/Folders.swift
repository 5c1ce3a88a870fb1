#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

/// Whether what is at a path is a folder; nil where nothing is.
package func isFolder(at path: String) -> Bool? {
  var status = stat()
  guard stat(path, &status) == 0 else { return nil }
  return status.st_mode & S_IFMT == S_IFDIR
}

/// Makes a folder, and those that it lies in, where there is none.
///
/// - Returns: the folders that were made, innermost first.
/// - Throws: what the system says; folders that were made before it stay.
@discardableResult
package func makeFolder(_ path: String) throws(FileProblem) -> [String] {
  var missing: [String] = []
  var folder = path
  while folder != "/", folder != ".", isFolder(at: folder) == nil {
    missing.append(folder)
    folder = folderAndName(of: folder).folder
  }
  for folder in missing.reversed() where mkdir(folder, 0o777) != 0 {
    // Another process may have made it meanwhile.
    let code = errno
    guard code == EEXIST else { throw FileProblem(code) }
  }
  guard isFolder(at: path) == true else {
    throw .system(code: ENOTDIR, text: "a file stands where a folder should")
  }
  return missing
}
