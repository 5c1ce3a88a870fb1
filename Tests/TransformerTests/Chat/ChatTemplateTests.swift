import Checkpoints
import TestSupport
import Testing
import Transformer

@Suite struct ChatTemplateTests {
  static let document = try? JSONValue.read(Fixtures.file("chat/cases.json"))
  static let count = document?["cases"]?.arrayValue?.count ?? 0

  /// jinja2 rendered each case as the transformers library sets it up; null is a refusal.
  @Test(arguments: 0..<count) func rendersAsJinjaDoes(index: Int) throws {
    let case_ = try #require(Self.document?["cases"]?.arrayValue?[index])
    let name = try #require(case_["name"]?.stringValue)
    let source = try #require(Self.document?["templates"]?[name]?.stringValue)
    let messages = try #require(case_["messages"]?.arrayValue).map { message in
      ChatMessage(
        role: message["role"]?.stringValue ?? "",
        content: message["content"]?.stringValue ?? ""
      )
    }
    var variables: [String: JSONValue] = [:]
    for (key, value) in try #require(case_["variables"]?.objectValue) { variables[key] = value }
    let template = try ChatTemplate(source)
    let prompts = case_["add_generation_prompt"]?.boolValue ?? false
    guard let wanted = case_["text"]?.stringValue else {
      #expect(throws: ChatTemplateError.self) {
        try template.render(messages, addsGenerationPrompt: prompts, variables: variables)
      }
      return
    }
    let found = try template.render(
      messages,
      addsGenerationPrompt: prompts,
      variables: variables
    )
    #expect(found == wanted, "\(name)")
  }

  @Test func thereAreCases() { #expect(Self.count > 100) }

  @Test(arguments: [
    ("{% include 'x' %}", 1, "include"), ("a\n{{ x | shuffle }}", 2, "shuffle"),
    ("{% if a %}", 1, "endif"), ("{{ 'abc }}", 1, "quote"), ("{{ a", 1, "no end"),
    ("{{ a is prime }}", 1, "prime"), ("{% endfor %}", 1, "endfor"), ("{{ a ! b }}", 1, "!"),
    ("{{ (((((1 }}", 1, ")"), ("{# x", 1, "comment"),
  ])
  func whatIsNotSupportedIsNamed(source: String, line: Int, part: String) throws {
    let error = try #require(throws: ChatTemplateError.self) { try ChatTemplate(source) }
    #expect(error.line == line && error.reason.contains(part), "\(error)")
  }

  @Test(arguments: [
    "{{ x.y }}", "{{ open('f') }}", "{{ ''.__class__() }}", "{{ 1 // 0 }}", "{{ 'a' + 1 }}",
    "{{ 9223372036854775807 + 1 }}", "{{ raise_exception('no') }}",
    "{% for a, b in [1] %}{% endfor %}",
    "{% for a in range(100000) %}{% for b in range(100000) %}{% endfor %}{% endfor %}",
    "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
    "{% set ns = namespace(t='aaaaaaaaaaaaaaaa') %}{% for a in range(90) %}{% set ns.t = ns.t ~ ns.t %}{% endfor %}",
  ])
  func whatGoesWrongIsAnError(source: String) throws {
    let template = try ChatTemplate(source)
    #expect(throws: ChatTemplateError.self) { try template.render([]) }
  }

  @Test func deepNestingIsRefused() {
    let source = "{{ " + String(repeating: "(", count: 10_000) + " }}"
    #expect(throws: ChatTemplateError.self) { try ChatTemplate(source) }
    let tests = "{% if a %}"
    #expect(throws: ChatTemplateError.self) {
      try ChatTemplate(String(repeating: tests, count: 10_000))
    }
  }
}
