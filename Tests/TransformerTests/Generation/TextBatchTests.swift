import Checkpoints
import Foundation
import Tensor
import TestSupport
import Testing
import Transformer

/// Texts and conversations of a model with random weights over the bytes.
@Suite struct TextBatchTests {
  static let template =
    "{% for m in messages %}[{{ m.role }}]{{ m.content }}\n{% endfor %}"
    + "{% if add_generation_prompt %}[assistant]{% endif %}"

  /// A folder with a LLaMA over 256 bytes, and what is in it.
  func withModel(
    template: String? = template,
    context: Int = 512,
    _ body: (PretrainedModel, DecoderModel) throws -> Void
  ) throws {
    try withTemporaryFolder { folder in
      let shape = TransformerConfiguration(
        vocabularyCount: 256,
        hiddenWidth: 32,
        feedForwardWidth: 48,
        blockCount: 2,
        headCount: 4,
        contextLength: context
      )
      let deviation = InitialDeviation(matrices: 0.3)
      let weights = InitialWeights(shape, deviation: deviation, using: Philox(seed: 3))
      var settings: JSONObject = ["tokenizer_class": "PreTrainedTokenizerFast"]
      if let template { settings["chat_template"] = .string(template) }
      let documents = [
        "tokenizer.json": Data(TinyTokenizers.byteLevel().serialized().utf8),
        "tokenizer_config.json": Data(JSONValue.object(settings).serialized().utf8),
      ]
      let url = URL(filePath: folder + "/model")
      try DecoderModel(shape, weights: weights).save(to: url, documents: documents)
      let pretrained = try PretrainedModel(at: url)
      try body(pretrained, pretrained.makeModel())
    }
  }

  @Test func piecesMakeTheTextsOfTheTokens() throws {
    try withModel { pretrained, model in
      let tokenizer = try pretrained.requireTokenizer()
      let prompts = ["Once", "A longer beginning", "é"].map { tokenizer.encode($0) }
      let options = GenerationOptions(maximumTokens: 40)
      var batch = TextBatch(model, tokenizer: tokenizer, prompts: prompts, options: options)
      var pieces = prompts.map { _ in "" }
      while let step = batch.next() {
        for index in pieces.indices { pieces[index] += step[index] }
      }
      for (index, prompt) in prompts.enumerated() {
        let tokens = Array(model.generate(after: prompt, options: options))
        #expect(batch.texts[index].tokens == tokens)
        #expect(batch.texts[index].text == tokenizer.decode(tokens))
        #expect(batch.texts[index].text == pieces[index])
        #expect(batch.texts[index].finish == .length)
      }
    }
  }

  @Test func aStopTextEndsItsTextAlone() throws {
    try withModel { pretrained, model in
      let tokenizer = try pretrained.requireTokenizer()
      let prompts = ["Once", "Twice"].map { tokenizer.encode($0) }
      func texts(_ stops: [String]) -> [GeneratedText] {
        var batch = TextBatch(
          model,
          tokenizer: tokenizer,
          prompts: prompts,
          options: GenerationOptions(maximumTokens: 30),
          stopTexts: stops
        )
        while batch.next() != nil {}
        return batch.texts
      }
      let free = texts([])
      let stop = String(free[0].text.dropFirst(9).prefix(2))
      try #require(stop.count == 2 && !free[1].text.contains(stop), "other weights are needed")
      let stopped = texts([stop])
      let end = try #require(free[0].text.range(of: stop)).lowerBound
      #expect(stopped[0].text == String(free[0].text[..<end]))
      #expect(stopped[0].finish == .stopText)
      #expect(stopped[0].tokens.count < 30)
      #expect(stopped[1] == free[1])
    }
  }

  @Test func aConversationIsWhatItsRenderingIs() throws {
    try withModel { pretrained, model in
      let options = GenerationOptions(maximumTokens: 20)
      let chat = try ChatSession(pretrained, model: model, system: "Hm.", options: options)
      let tokenizer = try pretrained.requireTokenizer()
      var messages = [ChatMessage(role: "system", content: "Hm.")]
      for question in ["Hello", "And then?", "Oh"] {
        var shown = ""
        let answer = try chat.reply(to: question) { shown += $0 }
        messages.append(ChatMessage(role: "user", content: question))
        // Without any cache: the whole conversation goes through the model.
        let text = try ChatTemplate(Self.template).render(messages)
        let ids = tokenizer.encode(text, addSpecialTokens: false)
        let wanted = Array(model.generate(after: ids, options: options))
        #expect(answer.tokens == wanted && answer.text == shown)
        messages.append(ChatMessage(role: "assistant", content: tokenizer.decode(wanted)))
        #expect(chat.messages == messages)
      }
    }
  }

  @Test func brokenOffRepliesLeaveASoundConversation() throws {
    try withModel { pretrained, model in
      let options = GenerationOptions(maximumTokens: 20)
      let chat = try ChatSession(pretrained, model: model, options: options)
      var asked = 0
      chat.shouldStop = {
        asked += 1
        return asked > 5
      }
      let broken = try chat.reply(to: "Hello")
      #expect(broken.tokens.count == 5 && broken.finish == nil)
      asked = -100
      let next = try chat.reply(to: "Again")
      let text = try ChatTemplate(Self.template).render(Array(chat.messages.dropLast()))
      let ids = try pretrained.requireTokenizer().encode(text, addSpecialTokens: false)
      #expect(next.tokens == Array(model.generate(after: ids, options: options)))
    }
  }

  @Test func conversationsThatCannotGoOnSaySo() throws {
    try withModel(template: nil) { pretrained, model in
      let error = #expect(throws: ChatTemplateError.self) {
        try ChatSession(pretrained, model: model)
      }
      #expect(error?.description.contains("not for conversations") == true)
    }
    try withModel(context: 64) { pretrained, model in
      let chat = try ChatSession(pretrained, model: model)
      let long = String(repeating: "word ", count: 20)
      #expect(throws: GenerationError.promptTooLong(tokens: 118, context: 64)) {
        try chat.reply(to: long)
      }
      #expect(chat.messages.isEmpty)
      #expect(try chat.reply(to: "Hi").finish == .context)
    }
  }
}
