import Foundation

/// The memory that the process holds, as the system counts it.
struct ResidentMemory {
  /// Bytes in physical memory, pages of mapped files among them.
  let resident: Int
  /// Bytes that belong to this process alone and to no file.
  let anonymous: Int

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
    guard let resident = bytes("VmRSS"), let anonymous = bytes("RssAnon") else { return nil }
    return ResidentMemory(resident: resident, anonymous: anonymous)
  }
}
