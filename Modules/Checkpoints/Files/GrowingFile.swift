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

/// A file that grows by whole appends and may be cut back: a log.
///
/// Bytes are with the system when `append` returns, so a crash of the process loses nothing;
/// `synchronize` brings them to the disk. One object at a time holds the file, in all processes.
package final class GrowingFile {
  /// The path that was opened.
  package let path: String
  /// The size of the file.
  package private(set) var byteCount: Int
  private let handle: FileHandleNumber

  /// Opens a file for appending; makes it, and the folders that it lies in, when there is none.
  ///
  /// - Throws: `CheckpointError.unwritable`, also while another object holds it.
  package init(path: String) throws(CheckpointError) {
    self.path = path
    let folder = folderAndName(of: path).folder
    try? FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    do throws(FileProblem) {
      handle = try FileHandleNumber(opening: path, O_RDWR | O_CREAT | O_NONBLOCK)
      byteCount = try handle.regularByteCount()
      // Where the file system has no locks, the user's care must do.
      if flock(handle.number, LOCK_EX | LOCK_NB) != 0, errno == EWOULDBLOCK {
        throw .system(code: EWOULDBLOCK, text: "somebody else is writing it")
      }
    } catch {
      throw .unwritable(path: path, error)
    }
  }

  // A process that is being started has a copy of the descriptor for a moment, so closing it would
  // not end the hold.
  deinit { flock(handle.number, LOCK_UN) }

  /// All bytes.
  package func bytes() throws(CheckpointError) -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: byteCount)
    let problem = bytes.withUnsafeMutableBytes { buffer -> FileProblem? in
      do throws(FileProblem) { try handle.read(into: buffer) } catch { return error }
      return nil
    }
    if let problem { throw .unreadable(path: path, problem) }
    return bytes
  }

  /// All lines without their ends; what a process that was killed did not write to the end of a line is cut
  /// off the file.
  package func wholeLines() throws(CheckpointError) -> [ArraySlice<UInt8>] {
    let bytes = try bytes()
    let end = bytes.lastIndex(of: 0x0A).map { $0 + 1 } ?? 0
    if end < bytes.count { try truncate(to: end) }
    return bytes[..<end].split(separator: 0x0A)
  }

  /// Writes bytes at the end; a failed write leaves the file as it was, as far as that is possible.
  package func append(_ bytes: [UInt8]) throws(CheckpointError) {
    let problem = bytes.withUnsafeBytes { buffer -> FileProblem? in
      do throws(FileProblem) { try handle.write(buffer, at: byteCount) } catch { return error }
      return nil
    }
    guard let problem else {
      byteCount += bytes.count
      return
    }
    _ = ftruncate(handle.number, off_t(byteCount))
    throw .unwritable(path: path, problem)
  }

  /// Cuts the file to its first `byteCount` bytes.
  package func truncate(to byteCount: Int) throws(CheckpointError) {
    guard ftruncate(handle.number, off_t(byteCount)) == 0 else {
      throw .unwritable(path: path, FileProblem(errno))
    }
    self.byteCount = byteCount
  }

  /// Brings everything to the disk.
  package func synchronize() throws(CheckpointError) {
    do throws(FileProblem) { try handle.synchronize() } catch {
      throw .unwritable(path: path, error)
    }
  }
}
