import Synchronization

/// What the server counts, in the text format of Prometheus.
final class ServerMetrics: Sendable {
  private struct Model {
    var promptTokens = 0
    var reusedTokens = 0
    var writtenTokens = 0
    var texts = 0
    var brokenOff = 0
    var passes = 0
    var passSeconds = 0.0
    var firstTokens = 0
    var firstTokenSeconds = 0.0
    var writing = 0
    var waiting = 0
  }

  private struct State {
    var models: [String: Model] = [:]
    var requests: [Request: Int] = [:]
  }

  private struct Request: Hashable {
    var path: String
    var status: Int
  }

  private let state = Mutex(State())

  private func update(_ name: String, _ body: (inout Model) -> Void) {
    state.withLock { body(&$0.models[name, default: Model()]) }
  }

  /// Counts an answered request.
  func countRequest(_ path: String, status: Int) {
    state.withLock { $0.requests[Request(path: path, status: status), default: 0] += 1 }
  }

  /// Counts a prompt that begins to be read.
  func countPrompt(_ name: String, tokens: Int, reused: Int) {
    update(name) {
      $0.texts += 1
      $0.promptTokens += tokens
      $0.reusedTokens += reused
    }
  }

  /// Counts a pass of a model, for whatever texts.
  func countPass(_ name: String, seconds: Double) {
    update(name) {
      $0.passes += 1
      $0.passSeconds += seconds
    }
  }

  /// Counts tokens that were written.
  func countTokens(_ name: String, _ count: Int) {
    update(name) { $0.writtenTokens += count }
  }

  /// Counts the first token of a text, so long after its request.
  func countFirstToken(_ name: String, seconds: Double) {
    update(name) {
      $0.firstTokens += 1
      $0.firstTokenSeconds += seconds
    }
  }

  /// Counts texts whose reader has gone.
  func countBrokenOff(_ name: String, _ count: Int) {
    guard count > 0 else { return }
    update(name) { $0.brokenOff += count }
  }

  /// Notes what a model does now.
  func note(_ name: String, writing: Int, waiting: Int) {
    update(name) { ($0.writing, $0.waiting) = (writing, waiting) }
  }

  /// Drops what is counted of a model that was unloaded.
  func forget(_ name: String) { state.withLock { $0.models[name] = nil } }

  /// The text that `/metrics` answers.
  var text: String {
    let state = state.withLock { $0 }
    var text = ""
    func add(_ name: String, _ kind: String, _ help: String, _ samples: [(String, Double)]) {
      guard !samples.isEmpty else { return }
      text += "# HELP apus_\(name) \(help)\n# TYPE apus_\(name) \(kind)\n"
      for (labels, value) in samples { text += "apus_\(name)\(labels) \(Self.number(value))\n" }
    }
    func addModels(_ name: String, _ kind: String, _ help: String, _ value: (Model) -> Double) {
      add(
        name,
        kind,
        help,
        state.models.sorted { $0.key < $1.key }.map { name, model in
          ("{model=\"\(Self.escaped(name))\"}", value(model))
        }
      )
    }
    add(
      "requests_total",
      "counter",
      "Answered requests.",
      state.requests.sorted { ($0.key.path, $0.key.status) < ($1.key.path, $1.key.status) }.map {
        ("{path=\"\($0.key.path)\",status=\"\($0.key.status)\"}", Double($0.value))
      }
    )
    addModels("texts_total", "counter", "Texts that were begun.") { Double($0.texts) }
    addModels("texts_broken_off_total", "counter", "Texts whose reader went away.") {
      Double($0.brokenOff)
    }
    addModels("texts_running", "gauge", "Texts that are read or written now.") {
      Double($0.writing)
    }
    addModels("texts_waiting", "gauge", "Texts that wait for a place.") { Double($0.waiting) }
    addModels("prompt_tokens_total", "counter", "Tokens of prompts.") { Double($0.promptTokens) }
    addModels("prompt_tokens_reused_total", "counter", "Those whose keys and values were there.") {
      Double($0.reusedTokens)
    }
    addModels("generated_tokens_total", "counter", "Tokens that were written.") {
      Double($0.writtenTokens)
    }
    addModels("passes_total", "counter", "Passes of the model.") { Double($0.passes) }
    addModels("pass_seconds_total", "counter", "The time of these passes.") { $0.passSeconds }
    add(
      "first_token_seconds",
      "summary",
      "From requests to their first tokens.",
      state.models.sorted { $0.key < $1.key }.flatMap { name, model in
        let labels = "{model=\"\(Self.escaped(name))\"}"
        return [
          ("_sum" + labels, model.firstTokenSeconds),
          ("_count" + labels, Double(model.firstTokens)),
        ]
      }
    )
    if let resident = ModelMemory.resident {
      add("resident_memory_bytes", "gauge", "Memory in use.", [("", Double(resident))])
    }
    return text
  }

  private static func number(_ value: Double) -> String {
    Int(exactly: value).map { "\($0)" } ?? "\(value)"
  }

  private static func escaped(_ label: String) -> String {
    // Characters may begin with a quote and go on with an accent: scalars are what counts.
    var text = String.UnicodeScalarView()
    for scalar in label.unicodeScalars {
      switch scalar {
      case "\\", "\"": text.append(contentsOf: ["\\", scalar])
      case "\n": text.append(contentsOf: ["\\", "n"])
      default: text.append(scalar)
      }
    }
    return String(text)
  }
}
