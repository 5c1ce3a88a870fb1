import Testing
import Transformer

/// What a stranger's template cannot do: crash, run for ever or fill the memory.
@Suite struct ChatTemplateBoundsTests {
  @Test(arguments: [
    "{{ open('f') }}", "{{ 9223372036854775807 + 1 }}", "{{ 9 ** 99 }}", "{{ 1e20 | int }}",
    "{{ strftime_now('%Q') }}", "{{ [1] | map('string') }}", "{{ namespace() }}", "{{ cycler(1) }}",
    "{{ raise_exception }}", "{% for a, b in [1] %}{% endfor %}",
  ])
  func whatGoesWrongIsAnError(source: String) throws {
    let template = try ChatTemplate(source)
    #expect(throws: ChatTemplateError.self) { try template.render([ChatMessage]()) }
  }

  @Test func deepNestingIsRefused() {
    let source = "{{ " + String(repeating: "(", count: 10_000) + " }}"
    #expect(throws: ChatTemplateError.self) { try ChatTemplate(source) }
    let tests = "{% if a %}"
    #expect(throws: ChatTemplateError.self) {
      try ChatTemplate(String(repeating: tests, count: 10_000))
    }
  }

  @Test(
    .timeLimit(.minutes(10)),
    arguments: [
      "{% for a in range(100000) %}{% for b in range(100000) %}{% endfor %}{% endfor %}",
      "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
      "{% set ns = namespace(t='aaaaaaaaaaaaaaaa') %}{% for a in range(90) %}{% set ns.t = ns.t ~ ns.t %}{% endfor %}",
      // Lists that hold themselves twice: 2⁶³ elements to write, compare or search.
      "{% set ns = namespace(x=[1]) %}{% for i in range(63) %}{% set ns.x = [ns.x, ns.x] %}{% endfor %}{{ ns.x }}",
      "{% set ns = namespace(x=[1]) %}{% for i in range(60) %}{% set ns.x = [ns.x, ns.x] %}{% endfor %}{{ ns.x | tojson }}",
      "{% set ns = namespace(x=[1], y=[1]) %}{% for i in range(60) %}{% set ns.x = [ns.x, ns.x] %}{% set ns.y = [ns.y, ns.y] %}{% endfor %}{{ ns.x == ns.y }}",
      "{% set ns = namespace(x=[1]) %}{% for i in range(99999) %}{% set ns.x = [ns.x] %}{% endfor %}",
      "{% set ns = namespace(x={}) %}{% for i in range(99999) %}{% set ns.x = {'a': ns.x} %}{% endfor %}",
      "{% set ns = namespace(x=[1]) %}{% for i in range(99999) %}{% set ns.x = ns.x | batch(1) %}{% endfor %}",
      "{{ ('a' * 16000000).count('a' * 8000000 ~ 'b') }}{% for i in range(99999) %}{{ ('a' * 16000000).find('b') }}{% endfor %}",
      "{% set ns = namespace(x=[1]) %}{% for i in range(60) %}{% set ns.x = [ns.x, ns.x] %}{% endfor %}{{ '%s' | format(ns.x) }}",
      "{% set ns = namespace(x=(1,)) %}{% for i in range(60) %}{% set ns.x = (ns.x, ns.x) %}{% endfor %}{{ {ns.x: 1} }}",
      "{% for c in 'a' * 16000000 %}{% endfor %}", "{{ ('a' * 16000000) | list | length }}",
      "{{ 'a' * 99999999999 }}", "{{ [1] * 99999999999 }}", "{{ '%9999999999d' % 1 }}",
      "{{ '{:>9999999999}'.format(1) }}", "{{ 'a'.ljust(9999999999) }}",
      "{{ 'a' | indent(9999999999) }}",
      "{{ [[1]] | tojson(indent=9999999999) }}", "{{ range(0, 9223372036854775807, 1) }}",
      "{{ ('a' * 16000000).replace('', 'b') }}", "{{ ('a' * 9000000) | join('b' * 100) }}",
      "{{ range(99999) | unique | list }}",
      "{% macro f(n) %}{{ ((((f(n))))) ~ f(n) }}{% endmacro %}{{ f(1) }}",
      "{% macro f(n) %}{{ f(n)\(String(repeating: " | trim", count: 300)) }}{% endmacro %}{{ f(1) }}",
      "{% macro f(n) %}{{ [[[[[[[[[f(n)]]]]]]]]] }}{% endmacro %}{{ f(1) }}",
    ]
  )
  func heavyWorkIsRefused(source: String) throws {
    let template = try ChatTemplate(source)
    #expect(throws: ChatTemplateError.self) { try template.render([ChatMessage]()) }
  }

  @Test(arguments: ["| trim", "+ 'a'", "~ 'a'", "or 'a'", ".a", "[0]", "is none", "if 1", "** 2"])
  func longChainsAreRefused(link: String) {
    let source = "{{ 'a' " + String(repeating: link + " ", count: 50_000) + "}}"
    #expect(throws: ChatTemplateError.self) { try ChatTemplate(source) }
  }

  @Test func namespacesMayHoldEachOther() throws {
    let template = try ChatTemplate(
      "{% set ns = namespace() %}{% for i in range(50000) %}{% set old = ns.x %}"
        + "{% set ns.x = namespace(x=old, y=ns) %}{% endfor %}done"
    )
    #expect(try template.render([ChatMessage]()) == "done")
  }

  @Test func longConversationsAreNoHeavyWork() throws {
    let source =
      "{% for m in messages %}{{ m.role + ': ' + m.content | trim + '\n' }}{% endfor %}"
    let turn = ChatMessage(role: "user", content: String(repeating: "text ", count: 200))
    let text = try ChatTemplate(source).render(Array(repeating: turn, count: 5_000))
    #expect(text.utf8.count == 5_000 * 1_006)
  }
}
