import Checkpoints
import Foundation
import TestSupport
import Testing
import Transformer

/// A byte-level tokenizer with the special tokens of ChatML, and formats over it.
enum TinyChat {
  static let turns = "{{ '<|im_start|>' + m['role'] + '\\n' + m['content'] + '<|im_end|>\\n' }}"
  static let opening =
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
  static let template = "{% for m in messages %}" + turns + "{% endfor %}" + opening

  static func tokenizer(merges: [(String, String)] = []) throws -> Tokenizer {
    let first = Int64(256 + merges.count)
    return try Tokenizer(
      json: TinyTokenizers.byteLevel(
        merges: merges,
        added: [
          TinyTokenizers.added(first, "<|im_start|>"),
          TinyTokenizers.added(first + 1, "<|im_end|>"),
          TinyTokenizers.added(first + 2, "<|endoftext|>"),
          TinyTokenizers.added(first + 3, "<think>"),
        ]
      )
    )
  }

  static func format(
    _ template: String? = template,
    merges: [(String, String)] = [],
    maximumLength: Int = 512
  ) throws -> TuningFormat {
    let tokenizer = try tokenizer(merges: merges)
    return TuningFormat(
      tokenizer: tokenizer,
      template: try template.map { try ChatTemplate($0) },
      endTokens: Set(["<|im_end|>"].compactMap { tokenizer.id(of: $0) }),
      maximumLength: maximumLength
    )
  }
}

@Suite struct TuningFormatTests {
  private let conversation = [
    ChatMessage(role: "system", content: "Be brief."),
    ChatMessage(role: "user", content: "Hello?"),
    ChatMessage(role: "assistant", content: "Hello."),
    ChatMessage(role: "user", content: "Bye?"),
    ChatMessage(role: "assistant", content: "Bye — é."),
  ]

  /// The text of the tokens that count.
  private func targets(_ example: TuningExample, _ format: TuningFormat) -> String {
    let ids = zip(example.tokens, example.isTarget).filter(\.1).map(\.0)
    return format.tokenizer.decode(ids, skipSpecialTokens: false)
  }

  private func text(_ example: TuningExample, _ format: TuningFormat) -> String {
    format.tokenizer.decode(example.tokens, skipSpecialTokens: false)
  }

  @Test func repliesCountUpToTheEndOfTheirTurns() throws {
    let format = try TinyChat.format()
    let example = try format.example(messages: conversation)
    #expect(targets(example, format) == "Hello.<|im_end|>Bye — é.<|im_end|>")
    let whole = try #require(format.template).render(conversation, addsGenerationPrompt: false)
    #expect(text(example, format) == whole)
    #expect(example.tokens == format.tokenizer.encode(whole, addSpecialTokens: false))
  }

  /// The line feed before a reply and the first of those that begin it are one token.
  @Test func aTokenAcrossTheBorderBelongsToThePrompt() throws {
    let merges = [("Ċ", "Ċ")]
    let format = try TinyChat.format(merges: merges)
    let example = try format.example(messages: [
      ChatMessage(role: "user", content: "a"), ChatMessage(role: "assistant", content: "\n\nb"),
    ])
    #expect(targets(example, format) == "\nb<|im_end|>")
    let plain = try TinyChat.format(nil, merges: [("b", "c")])
    let pair = try plain.example(prompt: "ab", response: "cd")
    #expect(text(pair, plain) == "abcd<|endoftext|>")
    #expect(pair.isTarget == [false, false, true, true])
  }

  @Test func charactersOfSeveralBytesAtBordersStayWhole() throws {
    let plain = try TinyChat.format(nil, merges: [("a", "Ã")])
    // é is C3 A9: the first byte joins the a of the prompt.
    let pair = try plain.example(prompt: "xa", response: "é!")
    #expect(text(pair, plain) == "xaé!<|endoftext|>")
    #expect(pair.tokens.count == 5 && pair.isTarget == [false, false, true, true, true])
  }

  @Test func templatesThatChangeEarlierTurnsAreFollowed() throws {
    // As in templates with thoughts, only the last reply shows its own.
    let template =
      "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\\n' }}"
      + "{% if loop.last and m['role'] == 'assistant' %}{{ '~' }}{% endif %}"
      + "{{ m['content'] + '<|im_end|>\\n' }}{% endfor %}" + TinyChat.opening
    let format = try TinyChat.format(template)
    let example = try format.example(messages: conversation)
    #expect(targets(example, format) == "Hello.<|im_end|>~Bye — é.<|im_end|>")
  }

  @Test func openingsWithThoughtsAreNoPartOfFinishedReplies() throws {
    let opening =
      "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n<think>' }}{% endif %}"
    let format = try TinyChat.format(
      "{% for m in messages %}" + TinyChat.turns + "{% endfor %}" + opening
    )
    let example = try format.example(messages: conversation)
    #expect(targets(example, format) == "Hello.<|im_end|>Bye — é.<|im_end|>")
  }

  @Test func templatesThatHideTheHistoryAreRefused() throws {
    let format = try TinyChat.format("{{ messages[-1]['content'] }}" + TinyChat.opening)
    let error = try #require(throws: TuningDataError.self) {
      try format.example(messages: conversation)
    }
    #expect(error.description.contains("message 3") && error.description.contains("split"))
  }

  @Test func pairsAreTurnsWhereThereIsATemplate() throws {
    let format = try TinyChat.format()
    let example = try format.example(instruction: "Add.", input: "1, 2", output: "3")
    #expect(
      text(example, format)
        == "<|im_start|>user\nAdd.\n\n1, 2<|im_end|>\n<|im_start|>assistant\n3<|im_end|>\n"
    )
    #expect(targets(example, format) == "3<|im_end|>")
  }

  @Test func pairsAreOneTextWhereThereIsNone() throws {
    let format = try TinyChat.format(nil)
    let pair = try format.example(prompt: "Q: 1+1? A: ", response: "2")
    #expect(text(pair, format) == "Q: 1+1? A: 2<|endoftext|>")
    #expect(targets(pair, format) == "2<|endoftext|>")
    let alpaca = try format.example(instruction: "Add.", input: "", output: "3")
    let end = "### Instruction:\nAdd.\n\n### Response:\n3<|endoftext|>"
    #expect(text(alpaca, format).hasSuffix(end))
    #expect(targets(alpaca, format) == "3<|endoftext|>")
  }

  @Test func whatIsNoConversationIsSaid() throws {
    let format = try TinyChat.format()
    for (messages, part) in [
      ([ChatMessage(role: "user", content: "a")], "nothing to learn"),
      ([ChatMessage(role: "assistant", content: "a")], "begins with a reply"),
    ] {
      let error = try #require(throws: TuningDataError.self) {
        try format.example(messages: messages)
      }
      #expect(error.description.contains(part))
    }
    let plain = try TinyChat.format(nil)
    let error = try #require(throws: TuningDataError.self) {
      try plain.example(messages: conversation)
    }
    #expect(error.description.contains("no chat template"))
  }
}
