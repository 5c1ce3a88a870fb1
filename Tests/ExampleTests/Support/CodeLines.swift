/// Where lines stand in a file, whatever the indentation of all of them together.
enum CodeLines {
  /// The line in which `code` begins from `start` on; nil if it is nowhere.
  ///
  /// Empty lines must be where they are. The backslashes that end the lines of a macro do not count.
  static func place(of code: [String], in file: [String], from start: Int = 0) -> Int? {
    guard let first = code.first, file.count >= start + code.count else { return nil }
    return (start...file.count - code.count).first { place in
      let line = withoutContinuation(file[place])
      let depth = line.count - withoutContinuation(first).count
      guard depth >= 0, line.prefix(depth).allSatisfy({ $0 == " " }) else { return false }
      let indentation = String(repeating: " ", count: depth)
      return zip(code, file[place...]).allSatisfy { shown, found in
        let shown = withoutContinuation(shown)
        return withoutContinuation(found) == (shown.isEmpty ? "" : indentation + shown)
      }
    }
  }

  /// The lines without empty ones at both ends.
  static func trimmed(_ lines: [String]) -> [String] {
    guard let first = lines.firstIndex(where: { !$0.isEmpty }),
      let last = lines.lastIndex(where: { !$0.isEmpty })
    else { return [] }
    return Array(lines[first...last])
  }

  private static func withoutContinuation(_ line: String) -> Substring {
    var line = line[...]
    if line.hasSuffix("\\") { line.removeLast() }
    while line.last == " " { line.removeLast() }
    return line
  }
}
