#if canImport(FoundationEssentials)
  public import FoundationEssentials
#else
  public import Foundation
#endif

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

/// A file that appears complete or not at all.
///
/// Bytes go to a temporary file beside the target, `.NAME.PID-NUMBER.apus-tmp`; `commit` flushes
/// it, renames it onto the target and flushes the folder. Whatever goes wrong before that (an
/// error, the end of this object) removes the temporary file and leaves an existing target
/// untouched. A symbolic link is followed, the permissions of an existing target are kept.
///
/// A signal ends a process without running any of this: a program that catches interrupts calls
/// `removePendingFiles()` before it exits.
public final class AtomicFile {
  /// The path that the file will have.
  public let path: String
  private let target: String
  private let temporary: String
  private var handle: FileHandleNumber?
  /// The number of bytes appended so far.
  public private(set) var byteCount = 0

  /// Creates the temporary file.
  ///
  /// `reserving` allocates that many bytes at once, so that a full disk shows now and not hours
  /// later; they read as zero until they are written. Such a file may be large: what killed processes
  /// left of it goes first.
  ///
  /// - Throws: `CheckpointError.unwritable` when the folder is missing or not writable, the target
  ///   is no regular file, or the disk is full.
  public init(path: String, reserving byteCount: Int = 0) throws(CheckpointError) {
    self.path = path
    do throws(FileProblem) {
      let existing = try Target(path)
      target = existing.path
      if byteCount > 0 { FolderRemoval.removeLeftovers(beside: existing.path) }
      temporary = PendingFiles.path(beside: existing.path)
      let file = try PendingFiles.createFile(temporary)
      do throws(FileProblem) {
        if let permissions = existing.permissions { fchmod(file.number, permissions) }
        try file.reserve(byteCount)
      } catch {
        PendingFiles.remove(temporary)
        throw error
      }
      handle = consume file
    } catch {
      throw .unwritable(path: path, error)
    }
  }

  deinit {
    if handle != nil { PendingFiles.remove(temporary) }
  }

  /// Writes bytes after the last appended ones.
  public func append(_ bytes: UnsafeRawBufferPointer) throws(CheckpointError) {
    try write(bytes, at: byteCount)
    byteCount += bytes.count
  }

  /// Writes bytes at an offset; a gap before it reads as zero.
  public func write(_ bytes: UnsafeRawBufferPointer, at offset: Int) throws(CheckpointError) {
    do throws(FileProblem) {
      guard handle != nil else { throw .interrupted }
      try handle?.write(bytes, at: offset)
    } catch {
      discard()
      throw .unwritable(path: path, error)
    }
  }

  /// Puts the file in its place; the object is of no further use.
  public func commit() throws(CheckpointError) {
    do throws(FileProblem) {
      guard let file = handle.take() else { throw .interrupted }
      do throws(FileProblem) {
        try file.synchronize()
        try file.closeChecked()
        try PendingFiles.move(temporary, to: target)
      } catch {
        PendingFiles.remove(temporary)
        throw error
      }
      synchronizeFolder(of: target)
    } catch {
      throw .unwritable(path: path, error)
    }
  }

  /// Gives up: removes the temporary file, as also happens when the object ends uncommitted.
  public func discard() {
    guard handle.take() != nil else { return }
    PendingFiles.remove(temporary)
  }

  /// Writes a whole file.
  public static func write(_ bytes: [UInt8], to path: String) throws(CheckpointError) {
    let file = try AtomicFile(path: path)
    let outcome = bytes.withUnsafeBytes { bytes in
      Result<Void, CheckpointError> { () throws(CheckpointError) in try file.append(bytes) }
    }
    try outcome.get()
    try file.commit()
  }

  /// Writes a whole file.
  public static func write(_ data: Data, to path: String) throws(CheckpointError) {
    try write(Array(data), to: path)
  }

  /// Writes a text file in UTF-8.
  public static func write(_ text: String, to path: String) throws(CheckpointError) {
    try write(Array(text.utf8), to: path)
  }

  /// Removes the temporary files and folders of all unfinished writes in this process.
  ///
  /// For a program that was interrupted and is about to exit: call it from the task or dispatch
  /// source that handles the signal (not from the handler itself). Writes that go on afterwards
  /// fail with `FileProblem.interrupted`.
  public static func removePendingFiles() { PendingFiles.removeAll() }
}

/// Where a path leads, and what is there.
private struct Target {
  let path: String
  let permissions: mode_t?

  init(_ path: String) throws(FileProblem) {
    var status = stat()
    guard stat(path, &status) == 0 else {
      guard errno == ENOENT else { throw FileProblem(errno) }
      (self.path, permissions) = (path, nil)
      return
    }
    switch status.st_mode & S_IFMT {
    case S_IFREG: break
    case S_IFDIR: throw .isFolder
    default: throw .isNotRegular
    }
    // Renaming would replace a file that its owner protected.
    guard access(path, W_OK) == 0 else { throw FileProblem(errno) }
    permissions = status.st_mode & 0o7777
    guard let resolved = realpath(path, nil) else { throw FileProblem(errno) }
    self.path = String(cString: resolved)
    free(resolved)
  }
}

extension FileHandleNumber {
  /// Allocates `count` bytes on the disk, where the file system can, and sets the size.
  fileprivate func reserve(_ count: Int) throws(FileProblem) {
    guard count > 0 else { return }
    #if canImport(Darwin)
      var request = fstore_t(
        fst_flags: UInt32(F_ALLOCATEALL),
        fst_posmode: F_PEOFPOSMODE,
        fst_offset: 0,
        fst_length: off_t(count),
        fst_bytesalloc: 0
      )
      if fcntl(number, F_PREALLOCATE, &request) != 0, errno == ENOSPC { throw .noSpace }
    #else
      let code = posix_fallocate(number, 0, off_t(count))
      if code == ENOSPC || code == EFBIG || code == EDQUOT { throw FileProblem(code) }
    #endif
    guard ftruncate(number, off_t(count)) == 0 else { throw FileProblem(errno) }
  }
}
