import Foundation
import TestSupport

/// A block of code on a page of the documentation.
///
/// What is not Swift or C is none: commands, Python, formulas.
struct PageBlock {
  /// The page, below the checkout.
  let page: String
  /// The line of the page that the block begins at, counted from 1.
  let line: Int
  let language: String
  let lines: [String]

  /// The source file that the block quotes: the path in its first line, a comment.
  var quotedPath: String? {
    guard let first = lines.first, first.hasPrefix("// ") else { return nil }
    let path = String(first.dropFirst(3))
    let isSource = [".swift", ".c", ".h"].contains { path.hasSuffix($0) }
    return isSource && path.contains("/") && !path.contains(" ") ? path : nil
  }

  /// The parts of a quotation, which `// …` separates.
  var quotedParts: [[String]] {
    lines.dropFirst().split { $0 == "// …" }.map { CodeLines.trimmed(Array($0)) }
  }

  /// The imports in front of the code.
  var imports: [String] { lines.filter { $0.hasPrefix("import ") } }

  /// The code behind the imports.
  var code: [String] { CodeLines.trimmed(lines.filter { !$0.hasPrefix("import ") }) }

  /// The blocks of a page's text.
  static func blocks(of text: String, on page: String) -> [PageBlock] {
    var blocks: [PageBlock] = []
    var open: (line: Int, language: String, lines: [String])?
    for (number, line) in text.components(separatedBy: "\n").enumerated() {
      if let block = open {
        if line == "```" {
          let (start, language, lines) = block
          blocks.append(PageBlock(page: page, line: start, language: language, lines: lines))
          open = nil
        } else {
          open?.lines.append(line)
        }
      } else if line.hasPrefix("```") {
        open = (number + 1, String(line.dropFirst(3)), [])
      }
    }
    return blocks.filter { ["swift", "c"].contains($0.language) }
  }
}

/// The pages of the documentation.
enum Pages {
  /// The README, the articles in Docs and those of the modules, below the checkout.
  static let all: [String] =
    ["README.md", "CONTRIBUTING.md"] + files(in: "Docs", suffix: ".md")
    + files(in: "Modules", suffix: ".md")

  /// The text of a file below the checkout.
  static func text(of path: String) throws -> String {
    try String(contentsOfFile: Fixtures.checkout + "/" + path, encoding: .utf8)
  }

  /// The files below a folder of the checkout, sorted.
  static func files(in folder: String, suffix: String) -> [String] {
    let found = FileManager.default.enumerator(atPath: Fixtures.checkout + "/" + folder)
    let paths = (found?.allObjects as? [String] ?? []).filter { $0.hasSuffix(suffix) }
    return paths.map { folder + "/" + $0 }.sorted()
  }
}
