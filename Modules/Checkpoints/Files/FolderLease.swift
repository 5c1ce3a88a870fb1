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

/// A hold on a folder: while one reads it, nobody removes it.
///
/// Leases are advisory locks of the system on the folder itself: they work between processes, end
/// with the process, and do nothing on file systems without locks.
package final class FolderLease: Sendable {
  private let number: Int32

  private init(number: Int32) { self.number = number }

  // A process that is being started has a copy of the descriptor for a moment, so closing it would
  // not end the hold.
  deinit {
    flock(number, LOCK_UN)
    close(number)
  }

  /// A shared hold, for reading; nil when the folder is missing or is being removed.
  package static func reading(_ path: String) -> FolderLease? { take(path, LOCK_SH) }

  /// The only hold, for removing; nil when the folder is missing or somebody holds it.
  package static func removing(_ path: String) -> FolderLease? { take(path, LOCK_EX) }

  private static func take(_ path: String, _ kind: Int32) -> FolderLease? {
    let number = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard number >= 0 else { return nil }
    let lease = FolderLease(number: number)
    if flock(number, kind | LOCK_NB) != 0, errno == EWOULDBLOCK { return nil }
    // It may have been renamed away between opening and locking.
    var (held, named) = (stat(), stat())
    guard fstat(number, &held) == 0, stat(path, &named) == 0, held.st_ino == named.st_ino,
      held.st_dev == named.st_dev
    else { return nil }
    return lease
  }
}

/// The removal of folders in one step, and of what killed processes left behind.
package enum FolderRemoval {
  /// Removes a folder unless somebody reads it: at no time is a part of it there under its name.
  ///
  /// - Returns: whether it is gone.
  package static func remove(_ path: String) -> Bool {
    guard let lease = FolderLease.removing(path) else {
      return !FileManager.default.fileExists(atPath: path)
    }
    defer { withExtendedLifetime(lease) {} }
    let aside = PendingFiles.path(beside: path)
    guard rename(path, aside) == 0 else { return false }
    try? FileManager.default.removeItem(atPath: aside)
    return true
  }

  /// Removes what killed processes left of their attempts to write a file or a folder.
  ///
  /// A folder that stepped aside for one that never came is the only copy: it stays while nothing has
  /// its name.
  static func removeLeftovers(beside target: String) {
    let (folder, name) = folderAndName(of: target)
    let start = PendingFiles.start(of: name)
    let isThere = isFolder(at: target) != nil
    removeLeftovers(in: folder, includingOld: isThere) { $0 == start }
  }

  /// Removes unfinished files and folders that processes left in a folder when they were killed.
  ///
  /// - Parameters:
  ///   - folder: where to look, as the writers named it.
  ///   - includingOld: whether folders go that stepped aside for new ones.
  ///   - isOurs: whether to remove what was to get a name.
  package static func removeLeftovers(
    in folder: String,
    includingOld: Bool = true,
    where isOurs: (String) -> Bool
  ) {
    for name in (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? [] {
      guard let leftover = Leftover(name), isOurs(leftover.target) else { continue }
      if leftover.isOld && !includingOld { continue }
      let path = folder + "/" + name
      let written = leftover.isOld ? String(path.dropLast(Leftover.oldSuffix.count)) : path
      let isAlive =
        leftover.process == getpid()
        ? PendingFiles.isPending(written)
        : kill(leftover.process, 0) == 0 || errno == EPERM
      if !isAlive { try? FileManager.default.removeItem(atPath: path) }
    }
  }
}

/// The parts of `.NAME.PID-NUMBER.apus-tmp`, to which a folder that steps aside adds `-old`.
private struct Leftover {
  static let oldSuffix = "-old"
  let target: String
  let process: pid_t
  let isOld: Bool

  init?(_ name: String) {
    isOld = name.hasSuffix(".apus-tmp" + Self.oldSuffix)
    let name = isOld ? String(name.dropLast(Self.oldSuffix.count)) : name
    guard name.hasPrefix("."), name.hasSuffix(".apus-tmp") else { return nil }
    let core = name.dropFirst().dropLast(".apus-tmp".count)
    guard let dot = core.lastIndex(of: ".") else { return nil }
    let numbers = core[core.index(after: dot)...].split(separator: "-")
    guard numbers.count == 2, let process = pid_t(numbers[0]), process > 0, Int(numbers[1]) != nil
    else { return nil }
    target = String(core[..<dot])
    self.process = process
  }
}
