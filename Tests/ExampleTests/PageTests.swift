import Foundation
import TestSupport
import Testing

/// The code of the documentation is code that is compiled.
///
/// A block of Swift stands, line by line, in a file whose path has `ExampleTests` in it, inside the test
/// that runs it. Or its first line is a comment with the path of a file, and it stands there: a quotation,
/// as every block of C is. What is only sketched belongs into a block of another kind.
@Suite struct PageTests {
  /// The files with the examples, by their paths.
  private static let examples: [(path: String, lines: [String])] =
    Pages.files(in: "Tests", suffix: ".swift").filter { $0.contains("ExampleTests") }
    .compactMap { path in
      (try? Pages.text(of: path)).map { (path, $0.components(separatedBy: "\n")) }
    }

  private func blocks(of page: String) throws -> [PageBlock] {
    PageBlock.blocks(of: try Pages.text(of: page), on: page)
  }

  @Test func thereArePages() throws {
    #expect(Pages.all.count > 30 && Self.examples.count > 15)
    let blocks = try Pages.all.flatMap { try self.blocks(of: $0) }
    #expect(blocks.count { $0.quotedPath != nil } > 20)
    #expect(blocks.count { $0.quotedPath == nil } > 40)
  }

  @Test(arguments: Pages.all) func codeIsCompiledOrQuoted(page: String) throws {
    for block in try blocks(of: page) {
      let place = "\(page):\(block.line), which begins with '\(block.lines.first ?? "")'"
      if let path = block.quotedPath {
        let file = try Pages.text(of: path).components(separatedBy: "\n")
        var start = 0
        for part in block.quotedParts {
          let found = CodeLines.place(of: part, in: file, from: start)
          start = try #require(found, "\(path) does not hold \(place)") + part.count
        }
      } else {
        #expect(block.language == "swift", "\(place) names no file that it quotes")
        let files = Self.examples.filter { CodeLines.place(of: block.code, in: $0.lines) != nil }
        #expect(!files.isEmpty, "no example is \(place)")
        // Its imports are enough: the file has them, and others for the test alone.
        #expect(
          files.isEmpty || files.contains { file in block.imports.allSatisfy(file.lines.contains) },
          "\(files.map(\.path)) lacks an import of \(place)"
        )
      }
    }
  }

  /// Each module's own page begins with an example.
  @Test func everyModuleHasAnExample() throws {
    let modules = Pages.all.compactMap { page -> String? in
      let parts = page.split(separator: "/").map(String.init)
      let isOwn = parts.count == 4 && parts[2] == parts[1] + ".docc"
      return isOwn && parts[3] == parts[1] + ".md" ? parts[1] : nil
    }
    #expect(modules.count >= 15)
    for module in modules {
      let page = "Modules/\(module)/\(module).docc/\(module).md"
      let first = try #require(try blocks(of: page).first, "\(page) has no example")
      #expect(first.imports.contains("import \(module)"), "\(page)")
    }
  }

  /// The right column of each table with this heading is code that is compiled.
  @Test func whatTorchIsCalledHereIsCompiled() throws {
    let page = "Modules/Autograd/Autograd.docc/FromPyTorch.md"
    // The formatter breaks long calls, so white space does not count.
    func squeezed(_ code: String) -> String { code.filter { !$0.isWhitespace } }
    let text = squeezed(Self.examples.flatMap(\.lines).joined())
    var (isTable, count) = (false, 0)
    for line in try Pages.text(of: page).components(separatedBy: "\n") {
      isTable = line == "| torch | here |" || isTable && line.hasPrefix("|")
      guard isTable, let cell = line.components(separatedBy: " | ").last else { continue }
      // Code is every second piece between backticks.
      for (index, code) in cell.components(separatedBy: "`").enumerated() where index % 2 == 1 {
        count += 1
        #expect(text.contains(squeezed(code)), "\(page): no example has '\(code)'")
      }
    }
    #expect(count > 100)
  }

  /// Links to files and folders of the checkout lead to some.
  @Test(arguments: Pages.all) func linksLeadSomewhere(page: String) throws {
    let pieces = try Pages.text(of: page).components(separatedBy: "```")
    let text = pieces.enumerated().filter { $0.offset % 2 == 0 }.map(\.element).joined()
    let folder = URL(filePath: Fixtures.checkout + "/" + page).deletingLastPathComponent()
    for match in text.matches(of: /\]\(([^()\s]+)\)/) {
      let link = match.output.1.prefix { $0 != "#" }
      guard !link.isEmpty, !link.contains(":") else { continue }
      let target = folder.appending(path: String(link)).path(percentEncoded: false)
      #expect(FileManager.default.fileExists(atPath: target), "\(page) links to \(link)")
    }
  }

  // MARK: - The comparison itself

  private static let file = [
    "struct S {", "  func f() {", "    let x = 1", "", "    use(x)", "  }", "}",
  ]

  @Test func codeIsFoundWhateverItsIndentation() {
    #expect(CodeLines.place(of: ["let x = 1", "", "use(x)"], in: Self.file) == 2)
    #expect(CodeLines.place(of: ["func f() {", "  let x = 1"], in: Self.file) == 1)
    #expect(CodeLines.place(of: ["  let x = 1", "", "  use(x)"], in: Self.file) == 2)
    let macro = ["  a = b;   \\", "    c = d; \\"]
    #expect(CodeLines.place(of: ["a = b;", "  c = d;"], in: macro) == 0)
  }

  @Test(arguments: [
    ["let x = 2"], ["x = 1"], ["let x = 1", "use(x)"], ["let x = 1", "", "  use(x)"],
    ["use(x)", "let x = 1"], ["}", "}", "}"],
  ])
  func changedCodeIsNotFound(code: [String]) {
    #expect(CodeLines.place(of: code, in: Self.file) == nil)
  }

  @Test func partsOfAQuotationStandInTheirOrder() throws {
    let text = """
      # Page
      ```swift
      // Modules/A/B.swift
      one
      // …
      two
      ```
      ```sh
      three
      ```
      ```swift
      import Tensor

      // four/five
      four
      ```
      """
    let blocks = PageBlock.blocks(of: text, on: "page.md")
    try #require(blocks.count == 2)
    #expect(blocks[0].quotedPath == "Modules/A/B.swift" && blocks[0].line == 2)
    #expect(blocks[0].quotedParts == [["one"], ["two"]])
    #expect(blocks[1].quotedPath == nil && blocks[1].imports == ["import Tensor"])
    #expect(blocks[1].code == ["// four/five", "four"])
  }
}
