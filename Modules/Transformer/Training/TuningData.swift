import Checkpoints
import Foundation

/// Why data to tune on cannot be read.
public enum TuningDataError: Error, Equatable, CustomStringConvertible {
  /// The file cannot be read.
  case unreadable(path: String, reason: String)
  /// A line, counted from 1, is no example.
  case line(path: String, line: Int, reason: String)
  /// What was given is no example.
  case example(reason: String)
  /// No example is left.
  case empty(path: String, reason: String)

  /// The file, the line, what is wrong and what to do.
  public var description: String {
    switch self {
    case .unreadable(let path, let reason): "tuning data: \(path) cannot be read: \(reason)"
    case .line(let path, let line, let reason): "tuning data: \(path), line \(line): \(reason)"
    case .example(let reason): "tuning data: \(reason)"
    case .empty(let path, let reason): "tuning data: \(path): \(reason)"
    }
  }
}

extension TuningExamples {
  /// The longest line of a file, in bytes.
  public static let maximumLineByteCount = 16 << 20

  /// The examples of a JSONL file: one object a line, in UTF-8, of one of these kinds.
  ///
  ///     {"messages": [{"role": "user", "content": "…"}, {"role": "assistant", "content": "…"}]}
  ///     {"prompt": "…", "response": "…"}
  ///     {"instruction": "…", "input": "…", "output": "…"}
  ///
  /// `completion` is another name of `response`; `input` may be missing. Other keys of an object are
  /// ignored, but for `tools` beside `messages`, which the template gets. Empty lines are skipped. The
  /// loss counts the assistant's replies, the response, the output; an example of which none is left,
  /// because it is empty or lies behind the cut, is left out and counted in the report.
  ///
  /// The file is read piece by piece; what is kept is the tokens.
  ///
  /// - Parameters:
  ///   - path: the file.
  ///   - format: how they become tokens, and how many at most.
  /// - Throws: `TuningDataError` with the line.
  public init(path: String, format: TuningFormat) throws(TuningDataError) {
    var collector = TuningCollector(maximumLength: format.maximumLength)
    try TextLines.forEach(in: path, atMost: Self.maximumLineByteCount) {
      (number, bytes) throws(TuningDataError) in
      do throws(TuningDataError) {
        collector.add(try format.example(TuningRecord(bytes)))
      } catch {
        guard case .example(let reason) = error else { throw error }
        throw .line(path: path, line: number, reason: reason)
      }
    }
    guard collector.report.examples > 0 else {
      let dropped = collector.report.dropped
      throw .empty(
        path: path,
        reason: dropped == 0
          ? "it has no examples; give one object a line"
          : "none of its \(dropped) examples has a response within the first "
            + "\(format.maximumLength) tokens; allow a larger length"
      )
    }
    self.init(collector)
  }
}

/// What a line says.
private enum TuningRecord {
  case messages([JSONValue], tools: JSONValue?)
  case pair(prompt: String, response: String)
  case instruction(String, input: String, output: String)

  init(_ bytes: [UInt8]) throws(TuningDataError) {
    let value: JSONValue
    do throws(JSONError) { value = try .parse(bytes) } catch {
      throw .example(reason: "\(error)")
    }
    guard let object = value.objectValue else {
      throw .example(reason: "it is \(value.kind), not an object")
    }
    if let messages = object["messages"] {
      self = .messages(try Self.turns(messages), tools: object["tools"])
    } else if object["prompt"] != nil {
      let key = object["response"] == nil && object["completion"] != nil ? "completion" : "response"
      self = .pair(
        prompt: try Self.text("prompt", object),
        response: try Self.text(key, object)
      )
    } else if object["instruction"] != nil {
      let hasInput = object["input"].map { !$0.isNull } ?? false
      self = .instruction(
        try Self.text("instruction", object),
        input: hasInput ? try Self.text("input", object) : "",
        output: try Self.text("output", object)
      )
    } else {
      throw .example(
        reason: "its keys are \(object.keys.prefix(10).joined(separator: ", ")); \"messages\", "
          + "\"prompt\" and \"response\", or \"instruction\" and \"output\" are needed"
      )
    }
  }

  private static func text(
    _ key: String,
    _ object: JSONObject
  ) throws(TuningDataError) -> String {
    guard let value = object[key] else { throw .example(reason: "\"\(key)\" is missing") }
    guard let text = value.stringValue else {
      throw .example(reason: "\"\(key)\" is \(value.kind), not a text")
    }
    return text
  }

  private static func turns(_ value: JSONValue) throws(TuningDataError) -> [JSONValue] {
    guard let turns = value.arrayValue, !turns.isEmpty else {
      throw .example(reason: "\"messages\" is not a list of messages")
    }
    for (index, turn) in turns.enumerated() {
      guard let object = turn.objectValue, object["role"]?.stringValue != nil else {
        throw .example(
          reason: "message \(index + 1) has no \"role\"; {\"role\": …, \"content\": …} is needed"
        )
      }
      // A reply that calls tools may have no text.
      guard object["content"]?.stringValue != nil || object["tool_calls"] != nil else {
        throw .example(reason: "message \(index + 1): \"content\" is not a text")
      }
    }
    return turns
  }
}

extension TuningFormat {
  /// The tokens of a record; none of a record counts whose response is empty.
  fileprivate func example(_ record: TuningRecord) throws(TuningDataError) -> TuningExample {
    switch record {
    case .messages(let messages, let tools):
      var format = self
      if let tools { format.variables["tools"] = tools }
      return try format.example(messages: messages)
    case .pair(let prompt, let response):
      return response.isEmpty ? .nothing : try example(prompt: prompt, response: response)
    case .instruction(let instruction, let input, let output):
      return output.isEmpty
        ? .nothing : try example(instruction: instruction, input: input, output: output)
    }
  }
}

extension TuningExample {
  fileprivate static let nothing = TuningExample(tokens: [], isTarget: [])
}

/// The lines of a file that need not fit into memory.
enum TextLines {
  private static let pieceByteCount = 1 << 20

  /// Calls `body` with each line that is more than white space, and its number from 1 on.
  ///
  /// Lines end with a line feed; a byte order mark at the start is skipped.
  ///
  /// - Parameters:
  ///   - path: the file.
  ///   - limit: the longest line in bytes.
  ///   - body: gets the lines.
  /// - Throws: `TuningDataError.unreadable`, `.line` for one that is too long; what `body` throws.
  static func forEach(
    in path: String,
    atMost limit: Int,
    _ body: (_ number: Int, _ line: [UInt8]) throws(TuningDataError) -> Void
  ) throws(TuningDataError) {
    guard let file = FileHandle(forReadingAtPath: path) else {
      throw .unreadable(path: path, reason: "there is no such file, or it may not be read")
    }
    defer { try? file.close() }
    var (line, number) = ([UInt8](), 1)
    func finish() throws(TuningDataError) {
      if number == 1, line.starts(with: [0xEF, 0xBB, 0xBF]) { line.removeFirst(3) }
      let isBlank = line.allSatisfy { $0 == 0x20 || $0 == 0x09 || $0 == 0x0D }
      if !isBlank { try body(number, line) }
      line.removeAll(keepingCapacity: true)
      number += 1
    }
    while let piece = try read(file, path) {
      let parts = piece.split(separator: 0x0A, omittingEmptySubsequences: false)
      for (index, part) in parts.enumerated() {
        if index > 0 { try finish() }
        guard line.count + part.count <= limit else {
          throw .line(
            path: path,
            line: number,
            reason: "it is longer than \(limit) bytes; is this a file with one object a line?"
          )
        }
        line += part
      }
    }
    try finish()
  }

  /// The next piece; nil at the end.
  private static func read(
    _ file: FileHandle,
    _ path: String
  ) throws(TuningDataError) -> Data? {
    do {
      let piece = try file.read(upToCount: pieceByteCount)
      return piece.flatMap { $0.isEmpty ? nil : $0 }
    } catch {
      throw .unreadable(path: path, reason: error.localizedDescription)
    }
  }
}
