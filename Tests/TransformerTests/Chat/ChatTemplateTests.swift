import Checkpoints
import Foundation
import TestSupport
import Testing
import Transformer

@Suite struct ChatTemplateTests {
  static let cases = try? JSONValue.read(Fixtures.file("chat/cases.json"))
  static let snippets = try? JSONValue.read(Fixtures.file("chat/snippets.json"))
  static let caseCount = cases?["cases"]?.arrayValue?.count ?? 0
  static let snippetCount = snippets?["snippets"]?.arrayValue?.count ?? 0
  /// The day of the fixtures, 2024-07-06 05:04:03.021.
  static let date = Date(timeIntervalSince1970: 1_720_242_243.021)

  /// The transformers library rendered each case; null is a refusal.
  @Test(arguments: 0..<caseCount) func rendersAsTransformersDoes(index: Int) throws {
    let case_ = try #require(Self.cases?["cases"]?[index])
    let name = try #require(case_["name"]?.stringValue)
    let source = try #require(Self.cases?["templates"]?[name]?.stringValue)
    var variables: [String: JSONValue] = [:]
    for (key, value) in try #require(case_["variables"]?.objectValue) { variables[key] = value }
    try check(
      source,
      messages: try #require(case_["messages"]?.arrayValue),
      addsGenerationPrompt: case_["add_generation_prompt"]?.boolValue ?? false,
      variables: variables,
      text: case_["text"]?.stringValue
    )
  }

  /// One construct each, rendered by the transformers library.
  @Test(arguments: 0..<snippetCount) func constructsAgree(index: Int) throws {
    let snippet = try #require(Self.snippets?["snippets"]?[index])
    try check(
      try #require(snippet["source"]?.stringValue),
      messages: try #require(Self.snippets?["messages"]?.arrayValue),
      text: snippet["text"]?.stringValue
    )
  }

  private func check(
    _ source: String,
    messages: [JSONValue],
    addsGenerationPrompt: Bool = true,
    variables: [String: JSONValue] = [:],
    text: String?
  ) throws {
    func render() throws -> String {
      try ChatTemplate(source).render(
        messages,
        addsGenerationPrompt: addsGenerationPrompt,
        variables: variables,
        date: Self.date,
        timeZone: .gmt
      )
    }
    guard let text else {
      #expect(throws: ChatTemplateError.self) { try render() }
      return
    }
    // Equal texts in Swift may consist of different scalars.
    #expect(Array(try render().utf8) == Array(text.utf8), "\(source)")
  }

  @Test func thereAreCases() { #expect(Self.caseCount > 150 && Self.snippetCount > 200) }

  @Test func turnsOfTextsAreObjects() throws {
    let template = try ChatTemplate("{{ messages | tojson }}{{ tools }}{{ documents }}")
    let text = try template.render([ChatMessage(role: "user", content: "é")])
    #expect(text == #"[{"role": "user", "content": "é"}]NoneNone"#)
    let error = try #require(throws: ChatTemplateError.self) {
      try template.render([["role": "user"], "text"] as [JSONValue])
    }
    #expect(error.reason.contains("a string"))
  }

  @Test(arguments: [
    ("{% include 'x' %}", 1, "include"), ("a\n{{ x | shuffle }}", 2, "shuffle"),
    ("{% if a %}", 1, "endif"), ("{{ 'abc }}", 1, "quote"), ("{{ a", 1, "no end"),
    ("{{ a is prime }}", 1, "prime"), ("{% endfor %}", 1, "endfor"), ("{{ a ! b }}", 1, "!"),
    ("{{ (((((1 }}", 1, ")"), ("{# x", 1, "comment"), ("{{ a | groupby('b') }}", 1, "groupby"),
    ("{% for a in b recursive %}{% endfor %}", 1, "recursive"), ("{{ '\\N{DASH}' }}", 1, "\\N"),
    ("{{ 99999999999999999999 }}", 1, "too large"), ("{{ '\\ud800' }}", 1, "scalar"),
  ])
  func whatIsNotSupportedIsNamed(source: String, line: Int, part: String) throws {
    let error = try #require(throws: ChatTemplateError.self) { try ChatTemplate(source) }
    #expect(error.line == line && error.reason.contains(part), "\(error)")
  }
}
