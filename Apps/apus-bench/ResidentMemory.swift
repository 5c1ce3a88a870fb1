import Foundation

/// The memory that the process holds, as the system counts it.
struct ResidentMemory {
  /// Bytes in physical memory, pages of mapped files among them.
  let resident: Int
  /// Bytes that belong to this process alone and to no file.
  let anonymous: Int
  /// The most bytes that were resident at once.
  let peak: Int

  /// The bytes by which a body raises the most physical memory that the process ever held at once;
  /// nil where the system cannot tell.
  static func peakGrowth(_ body: () throws -> Void) rethrows -> Int? {
    // Writing 5 makes the peak start again from what is held now.
    guard let before = now()?.resident,
      (try? Data("5".utf8).write(to: URL(fileURLWithPath: "/proc/self/clear_refs"))) != nil
    else { return nil }
    try body()
    return now().map { $0.peak - before }
  }

  /// The memory at this moment; nil where the system has no /proc.
  static func now() -> ResidentMemory? {
    guard let text = try? String(contentsOfFile: "/proc/self/status", encoding: .utf8) else {
      return nil
    }
    func bytes(_ key: String) -> Int? {
      let line = text.split(separator: "\n").first { $0.hasPrefix(key + ":") }
      return line?.split(whereSeparator: \.isWhitespace).dropFirst().first.flatMap { Int($0) }
        .map { $0 * 1024 }
    }
    guard let resident = bytes("VmRSS"), let anonymous = bytes("RssAnon"),
      let peak = bytes("VmHWM")
    else { return nil }
    return ResidentMemory(resident: resident, anonymous: anonymous, peak: peak)
  }
}
