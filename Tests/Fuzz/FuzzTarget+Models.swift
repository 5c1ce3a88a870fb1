import Autograd
import Checkpoints
import Foundation
import Quantization
import Tensor
import Transformer

extension FuzzTarget {
  static let models = [tokenizer, modelConfiguration, modelFolder, ggufModel, template, messages]

  private static let tokenizer = FuzzTarget(
    name: "tokenizer",
    words: [
      "\"added_tokens\":", "\"normalizer\":", "\"pre_tokenizer\":", "\"post_processor\":",
      "\"decoder\":", "\"model\":", "\"vocab\":", "\"merges\":", "\"Sequence\"", "\"Split\"",
      "\"Regex\":", "\"ByteLevel\"", "\"Metaspace\"", "\"Unigram\"", "\"WordPiece\"", "\"Replace\"",
      "\"TemplateProcessing\"", "\"ByteFallback\"", "\"byte_fallback\": true", "\"NFKC\"",
      "\"BPE\"",
      "\"continuing_subword_prefix\":", "\"unk_id\":", "\"special\": true", "\"Punctuation\"",
    ],
    seeds: {
      // What a reader refuses is a poor beginning.
      for text in TokenizerSamples.tiny { _ = try Tokenizer(json: Data(text.utf8)) }
      return try TokenizerSamples.tiny.map { Array($0.utf8) }
        + Samples.files("tokenizers-training", suffix: ".json", limit: 4000)
    }
  ) { bytes in
    use(try Tokenizer(json: Data(bytes)))
  }

  /// config.json of every family.
  private static let modelConfiguration = FuzzTarget(
    name: "model-config",
    words: configurationWords,
    seeds: {
      var tiny: [[UInt8]] = []
      for family in ModelFamily.allCases {
        guard let folder = try? TinyModel(family: family).folder() else { continue }
        tiny.append([UInt8](try Data(contentsOf: URL(filePath: folder + "/config.json"))))
      }
      return try tiny + Samples.files("transformer/models", prefix: "config", suffix: ".json")
    }
  ) { bytes in
    let path = Scratch.file("config.json", bytes)
    let configuration = try TransformerConfiguration(contentsOf: URL(filePath: path))
    demand(!configuration.tensors.isEmpty, "a model without tensors")
    _ = configuration.blockLinearLayers
  }

  private static let configurationWords =
    ModelFamily.allCases.map { "\"\($0.rawValue)\"" } + [
      "\"model_type\":", "\"hidden_size\":", "\"num_attention_heads\":", "\"head_dim\":",
      "\"num_key_value_heads\":", "\"rope_scaling\":", "\"rope_parameters\":", "\"rope_type\":",
      "\"llama3\"", "\"linear\"", "\"factor\":", "\"layer_types\":", "\"sliding_window\":",
      "\"sliding_attention\"", "\"max_position_embeddings\":", "\"vocab_size\":", "1048576",
      "\"tie_word_embeddings\":", "\"word_embed_proj_dim\":", "\"text_config\":", "\"n_head\":",
      "\"quantization_config\":", "\"eos_token_id\":", "16777216", "1073741824", "1e-300",
    ]

  /// config.json, a byte 0, and the weights in their open form; dense or packed.
  private static let modelFolder = FuzzTarget(
    name: "model-folder",
    words: configurationWords + [
      "\"quant_method\":", "\"apus\"", "\"gptq\"", "\"awq\"", "\"compressed-tensors\"", "\"bits\":",
      "\"group_size\":", "\"F32\"", "\"I32\"", "\"U8\"", "\"F16\"",
    ],
    seeds: {
      var seeds: [[UInt8]] = []
      for family in ModelFamily.allCases {
        guard let folder = try? TinyModel(family: family).folder() else { continue }
        seeds.append(try TinyModel.bytes(ofFolder: folder))
      }
      return try seeds + TinyModel(family: .llama).packedFolders().map(TinyModel.bytes(ofFolder:))
    }
  ) { bytes in
    let folder = Scratch.subfolder("model")
    Scratch.file("model/config.json", bytes.halves.first)
    Scratch.file("model/model.safetensors", OpenSafetensors.file(bytes.halves.second))
    try use(PretrainedModel(at: URL(filePath: folder)))
  }

  private static let ggufModel = FuzzTarget(
    name: "gguf-model",
    words: [
      "GGUF", "llama", "gemma2", "gemma3", "qwen2", "qwen3", "gpt2", "bert", "tokenizer.ggml.model",
      "tokenizer.ggml.tokens", "tokenizer.ggml.scores", "tokenizer.ggml.merges", "output.weight",
      "rope_freqs.weight", "tokenizer.chat_template", "tokenizer.ggml.token_type",
    ],
    seeds: {
      try ModelFamily.allCases.compactMap { try TinyModel(family: $0).ggufBytes() }
        + Samples.files("transformer/gguf", suffix: ".gguf", limit: 32_000)
    }
  ) { bytes in
    let path = Scratch.file("fuzz.gguf", bytes)
    try use(PretrainedModel(at: URL(filePath: path)))
  }

  /// A chat template, rendered for conversations with tools and without.
  private static let template = FuzzTarget(
    name: "chat-template",
    words: [
      "{%", "%}", "{{", "}}", "{%-", "-%}", "for ", " in ", "endfor", "if ", "elif ", "else",
      "endif",
      "set ", "macro ", "endmacro", "namespace(", "loop.index0", "loop.last", "range(", "|tojson",
      "|length", "|trim", "|join(", "|map(attribute=", "|selectattr(", "|list", "|int", "messages",
      "strftime_now(", "raise_exception(", " is defined", " is string", " not in ", "[::-1]", "**",
      ".split(", ".replace(", ".format(", ".items()", "%s", "//", "~", "caller()", "generation",
    ],
    seeds: {
      struct Cases: Decodable { var templates: [String: String] }
      struct Snippets: Decodable {
        struct Snippet: Decodable { var source: String }
        var snippets: [Snippet]
      }
      let decoder = JSONDecoder()
      let cases = try decoder.decode(Cases.self, from: Data(Samples.file("chat/cases.json")))
      let snippets = try decoder.decode(
        Snippets.self,
        from: Data(Samples.file("chat/snippets.json"))
      )
      return cases.templates.values.sorted().map { Array($0.utf8) }
        + snippets.snippets.map { Array($0.source.utf8) }
    }
  ) { bytes in
    let template = try ChatTemplate(String(decoding: bytes, as: UTF8.self))
    for tools in [nil, ChatSamples.tools] as [JSONValue?] {
      for messages in [ChatSamples.plain, ChatSamples.calls] {
        var variables: [String: JSONValue] = ["bos_token": "<s>", "eos_token": "</s>"]
        variables["tools"] = tools
        do {
          _ = try template.render(
            messages,
            variables: variables,
            date: Date(timeIntervalSince1970: 0)
          )
        } catch {
          demand(!"\(error)".isEmpty, "an error without a text")
        }
      }
    }
  }

  /// Messages as an API gets them, through templates of released models.
  private static let messages = FuzzTarget(
    name: "chat-messages",
    words: [
      "\"role\":", "\"content\":", "\"tool_calls\":", "\"function\":", "\"arguments\":", "\"tool\"",
      "\"reasoning_content\":", "\"system\"", "\"user\"", "\"assistant\"", "\"type\": \"text\"",
    ],
    seeds: {
      [ChatSamples.plain, ChatSamples.calls].map { JSONValue.array($0).serializedBytes() }
    }
  ) { bytes in
    guard let messages = try JSONValue.parse(bytes).arrayValue else { return }
    for template in ChatSamples.templates {
      do {
        _ = try template.render(
          messages,
          variables: ["tools": ChatSamples.tools],
          date: Date(timeIntervalSince1970: 0)
        )
      } catch {
        demand(!"\(error)".isEmpty, "an error without a text")
      }
    }
  }

  // MARK: - Use

  /// Encodes texts, and decodes what comes of them.
  private static func use(_ tokenizer: Tokenizer) {
    for text in ["", "Hello, wörld! 12345\n\n  the <s>end</s>", "日本 🙂 e\u{301} \u{0}\u{FFFD}"] {
      let ids = tokenizer.encode(text)
      for id in ids {
        demand(id >= 0 && id < tokenizer.vocabularyCount, "an id outside the vocabulary")
      }
      _ = tokenizer.decode(ids)
      var decoder = tokenizer.makeStreamDecoder()
      for id in ids { _ = decoder.append(id) }
    }
    _ = tokenizer.encodePair("a", "b")
    _ = tokenizer.decode([0, -1, .max, Int32(clamping: tokenizer.vocabularyCount)])
  }

  /// Builds the model that was opened, dense or packed, and asks it for a token.
  private static func use(_ pretrained: PretrainedModel) throws {
    if let tokenizer = pretrained.tokenizer { use(tokenizer) }
    _ = try? pretrained.chatTemplate()
    let configuration = pretrained.configuration
    if !configuration.isCausal {
      let encoder = try pretrained.makeEncoder()
      _ = encoder(Tensor([0], shape: [1, 1]))
      return
    }
    let model: DecoderModel
    if let document = pretrained.quantization {
      let weights = try ModelQuantization(document: document, path: pretrained.path).weights(
        pretrained.catalog,
        embeddings: configuration.embeddingLayers,
        dense: DenseWeights(pretrained.catalog)
      )
      model = try DecoderModel(configuration, weights: weights)
    } else {
      model = try pretrained.makeModel()
    }
    _ = model([0], cache: model.makeCache())
  }
}

/// Conversations and templates.
private enum ChatSamples {
  static let plain: [JSONValue] = [
    ["role": "system", "content": "Be brief."], ["role": "user", "content": "Hi <é>"],
    ["role": "assistant", "content": "Ho", "reasoning_content": "hm"],
    ["role": "user", "content": "And?"],
  ]
  static let calls: [JSONValue] = [
    ["role": "user", "content": [["type": "text", "text": "Weather?"]]],
    [
      "role": "assistant", "content": nil,
      "tool_calls": [
        [
          "id": "1", "type": "function",
          "function": ["name": "f", "arguments": ["x": 1, "y": [0.5]]],
        ]
      ],
    ],
    ["role": "tool", "name": "f", "tool_call_id": "1", "content": "sunny"],
  ]
  static let tools: JSONValue = [
    [
      "type": "function",
      "function": ["name": "f", "description": "d", "parameters": ["type": "object", "x": true]],
    ]
  ]
  static let templates: [ChatTemplate] = {
    struct Cases: Decodable { var templates: [String: String] }
    do {
      let data = Data(try Samples.file("chat/cases.json"))
      let texts = try JSONDecoder().decode(Cases.self, from: data).templates.values.sorted()
      return try texts.map { text throws(ChatTemplateError) in try ChatTemplate(text) }
    } catch {
      stop("chat-messages: \(error)")
    }
  }()
}
