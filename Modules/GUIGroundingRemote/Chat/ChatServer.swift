import Checkpoints
import Foundation

/// How many answers a server gives to one request.
public enum ChoiceSupport: Codable, Hashable, Sendable {
  /// As many as it is asked for: vLLM.
  case any
  /// At most that many, such as the slots of a llama.cpp server; more become several requests.
  case upTo(Int)
  /// One: SGLang, LM Studio, Ollama and whoever ignores or refuses `n`.
  case single
}

/// Whether the beginning of the answer can be put into the model's mouth.
public enum AssistantPrefill: String, Codable, Hashable, Sendable {
  /// No: the model begins its answer itself.
  case off
  /// A last message of the assistant is gone on with, without being asked: llama.cpp.
  case lastMessage = "last_message"
  /// The same with the fields that vLLM wants for it.
  case continueFinalMessage = "continue_final_message"
}

/// Where a chat endpoint is, and what it can do.
///
/// The key is not part of this: only the name of the environment variable that holds it.
public struct ChatServer: Codable, Hashable, Sendable {
  /// The URL before `/chat/completions`, usually ending in `/v1`.
  public var baseURL: String
  /// The model's name on that server.
  public var model: String
  /// The environment variable that holds the key; nil for servers without one.
  public var keyVariable: String?
  /// A PEM file with the certificates of authorities to trust instead of the system's, where the base
  /// URL begins with https.
  public var authority: String?
  /// How many answers a request may ask for.
  public var choices: ChoiceSupport
  /// Whether the beginning of an answer may be given.
  public var prefill: AssistantPrefill
  /// Whether to ask for the log-probabilities of tokens.
  public var wantsLogProbabilities: Bool
  /// Further fields of each request as a JSON object, such as
  /// `{"mm_processor_kwargs":{"max_pixels":1003520}}` for vLLM.
  public var extraFields: String

  /// A server.
  public init(
    baseURL: String,
    model: String,
    keyVariable: String? = nil,
    choices: ChoiceSupport = .single,
    prefill: AssistantPrefill = .off
  ) {
    self.baseURL = baseURL
    self.model = model
    self.keyVariable = keyVariable
    self.choices = choices
    self.prefill = prefill
    wantsLogProbabilities = false
    extraFields = "{}"
  }

  /// A vLLM server: any number of answers at once.
  public static func vLLM(baseURL: String, model: String) -> ChatServer {
    ChatServer(
      baseURL: baseURL,
      model: model,
      choices: .any,
      prefill: .continueFinalMessage
    )
  }

  /// A llama.cpp server that was started with `--parallel SLOTS`.
  public static func llamaCpp(baseURL: String, model: String, slots: Int = 1) -> ChatServer {
    ChatServer(baseURL: baseURL, model: model, choices: .upTo(slots), prefill: .lastMessage)
  }
}

extension ChatServer {
  /// The base URL as messages show it.
  var shownURL: String { shown(baseURL, hiding: nil, limit: 200) }

  /// Where requests go.
  ///
  /// - Throws: `ChatError.Reason.invalid`.
  func endpoint() throws(ChatError) -> URL {
    var text = baseURL[...]
    while text.hasSuffix("/") { text.removeLast() }
    guard let parts = URLComponents(string: text + "/chat/completions"),
      let scheme = parts.scheme?.lowercased(), ["http", "https"].contains(scheme),
      let host = parts.host, !host.isEmpty, (1...65_535).contains(parts.port ?? 80),
      let url = parts.url
    else {
      throw failure("the base URL must begin with http:// or https:// and name a host and port")
    }
    guard parts.user == nil, parts.password == nil else {
      throw failure("the base URL holds a password: name an environment variable instead")
    }
    guard parts.query == nil, parts.fragment == nil else {
      throw failure("the base URL must not have a query or a fragment")
    }
    return url
  }

  /// The further fields.
  ///
  /// - Throws: `ChatError.Reason.invalid` for a text that is no object, or has fields of our own.
  func parsedExtraFields() throws(ChatError) -> JSONObject {
    let value: JSONValue
    do throws(JSONError) { value = try JSONValue.parse(extraFields) } catch {
      throw failure("extra fields: \(error)")
    }
    guard let object = value.objectValue else { throw failure("extra fields: not a JSON object") }
    let own: Set = [
      "model", "messages", "n", "temperature", "top_p", "max_tokens", "stream", "seed", "logprobs",
    ]
    if let key = object.keys.first(where: own.contains) {
      throw failure("extra fields: \"\(key)\" has a setting of its own")
    }
    return object
  }

  /// The key, from an environment.
  ///
  /// - Throws: `ChatError.Reason.missingKey`.
  func key(in environment: [String: String]) throws(ChatError) -> String? {
    guard let variable = keyVariable else { return nil }
    let key = environment[variable]?.trimmingCharacters(in: .whitespacesAndNewlines) ?? ""
    guard !key.isEmpty else { throw ChatError(shownURL, .missingKey(variable: variable)) }
    // A line break would end the header and begin another.
    guard key.utf8.allSatisfy({ (0x21...0x7E).contains($0) }) else {
      throw failure("the key in \(variable) has characters that no header takes")
    }
    return key
  }

  private func failure(_ text: String) -> ChatError { ChatError(shownURL, .invalid(text)) }
}

extension ChatError {
  init(_ endpoint: String, _ reason: Reason) {
    self.init(endpoint: endpoint, reason: reason)
  }
}
