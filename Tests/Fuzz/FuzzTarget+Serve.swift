import Checkpoints
import Foundation
import ModelSupport
import Transformer

@testable import ServingSupport

extension FuzzTarget {
  static let serve = [completionBody]

  /// The body of a request to either endpoint of the server.
  private static let completionBody = FuzzTarget(
    name: "completion-body",
    words: [
      "\"model\":", "\"prompt\":", "\"messages\":", "\"role\":", "\"content\":", "\"user\"",
      "\"developer\"", "\"type\":\"text\"", "\"text\":", "\"n\":", "\"max_tokens\":",
      "\"max_completion_tokens\":", "\"temperature\":", "\"top_p\":", "\"top_k\":", "\"min_p\":",
      "\"repetition_penalty\":", "\"seed\":", "\"stop\":", "\"stream\":true", "\"stream_options\":",
      "\"include_usage\":", "\"echo\":true", "\"chat_template_kwargs\":", "\"tools\":[]",
      "\"suffix\":",
      "\"best_of\":1", "\"logprobs\":true", "\"logprobs\":2", "\"top_logprobs\":3",
      "\"logit_bias\":{\"1\":-100}", "\"frequency_penalty\":", "\"presence_penalty\":",
      "\"response_format\":", "9223372036854775807",
      "-9223372036854775808", "1e308", "3.0",
    ],
    seeds: {
      let bodies = [
        #"{"model":"m","prompt":"ab lo","max_tokens":3,"temperature":0,"stop":["a","b"],"echo":true}"#,
        #"{"model":"m","prompt":[[0,1],[2,3]],"n":2,"seed":-1,"top_p":0.5,"top_k":3,"min_p":0.1}"#,
        #"{"model":"m","prompt":["a",[1,2]],"stream":true,"stream_options":{"include_usage":true}}"#,
        #"{"model":"m","messages":[{"role":"developer","content":"a"},{"role":"user","content":"#
          + #"[{"type":"text","text":"b"}]}],"max_completion_tokens":2,"chat_template_kwargs":{"x":1}}"#,
      ]
      return bodies.map { Array($0.utf8) }
    }
  ) { bytes in
    let fields: RequestFields
    do throws(APIError) { fields = try RequestFields(bytes) } catch {
      check(error)
      return
    }
    for form in [CompletionRequest.Form.text, .chat] {
      do throws(APIError) {
        let request = try CompletionRequest(fields, form, model: served, seed: 1)
        demand(!request.prompts.isEmpty && request.choices >= 1, "a request for nothing")
        demand(request.prompts.count * request.choices <= 128, "too many texts")
        demand(
          request.prompts.allSatisfy { 1..<served.contextLength ~= $0.count },
          "a prompt that has no place"
        )
        demand(
          request.prompts.joined().allSatisfy { 0..<Int32(served.tokenizer.vocabularyCount) ~= $0 },
          "a token outside the vocabulary"
        )
        let least = form == .text && request.options.scoresPrompt ? 0 : 1
        demand(request.options.maximumTokens >= least, "no token is wanted")
      } catch { check(error) }
    }
  }

  private static func check(_ error: APIError) {
    demand(400..<500 ~= error.status && !error.message.isEmpty, "a refusal that says nothing")
    _ = error.document.serializedBytes()
  }

  private static let served: ServedModel = {
    do {
      let folder = try TinyModel(family: .llama).folder()
      try Data(TokenizerSamples.tiny[0].utf8).write(to: URL(filePath: folder + "/tokenizer.json"))
      let template = "{% for m in messages %}{{ m.role }}: {{ m.content }} a{% endfor %}"
      let settings: JSONValue = ["chat_template": .string(template), "bos_token": "<s>"]
      try Data(settings.serializedBytes())
        .write(to: URL(filePath: folder + "/tokenizer_config.json"))
      return try ServedModel(
        "m",
        PretrainedModel(at: URL(filePath: folder)),
        ServingSettings(
          parallel: 1,
          queue: 1,
          context: nil,
          memory: 1 << 30,
          computation: .packed,
          precision: nil,
          sharesBase: false,
          allowsLoading: false,
          isLocal: true,
          key: nil
        )
      )
    } catch {
      stop("completion-body: \(error)")
    }
  }()
}
