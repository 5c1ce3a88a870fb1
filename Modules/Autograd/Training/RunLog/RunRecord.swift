import Checkpoints
import Tensor

/// What a run logged at one step: a line of its log.
public struct RunRecord: Hashable, Sendable {
  /// The step, counted from 1.
  public var step: Int
  /// The epoch, counted from 0.
  public var epoch: Int
  /// Seconds of training since the run began; pauses between its sessions do not count.
  public var seconds: Double
  /// The measured values by name.
  public var metrics: [String: Double]
  /// The memory at that moment.
  public var memory: MemoryUse

  /// A record of a step.
  public init(
    step: Int,
    epoch: Int = 0,
    seconds: Double,
    metrics: [String: Double],
    memory: MemoryUse = .now()
  ) {
    self.step = step
    self.epoch = epoch
    self.seconds = seconds
    self.metrics = metrics
    self.memory = memory
  }
}

extension RunRecord {
  /// The record as one line of JSON, with its line feed: keys in a fixed order, metrics by name.
  var line: [UInt8] {
    let sorted = metrics.sorted { $0.key.utf8.lexicographicallyPrecedes($1.key.utf8) }
    var memoryValues: JSONObject = [
      "tensors": .integer(Int64(memory.tensorBytes)),
      "peak": .integer(Int64(memory.peakTensorBytes)),
    ]
    if let resident = memory.residentBytes { memoryValues["resident"] = .integer(Int64(resident)) }
    let value: JSONValue = [
      "step": .integer(Int64(step)),
      "epoch": .integer(Int64(epoch)),
      "seconds": encoded((seconds * 1e6).rounded() / 1e6),
      "metrics": .object(JSONObject(sorted.map { ($0.key, encoded($0.value)) })),
      "memory": .object(memoryValues),
    ]
    return value.serializedBytes() + [0x0A]
  }

  /// The record that a line holds.
  init(_ line: JSONValue) throws(RecordFault) {
    guard line.objectValue != nil else {
      throw RecordFault("an object is needed, found \(line.kind)")
    }
    step = try integer("step", of: line)
    epoch = try integer("epoch", of: line)
    seconds = try number("seconds", of: line)
    guard let metrics = line["metrics"] else { throw RecordFault("no \"metrics\"") }
    guard let pairs = metrics.objectValue else {
      throw RecordFault("\"metrics\" is \(metrics.kind), expected an object")
    }
    self.metrics = [:]
    for key in pairs.keys { self.metrics[key] = try number(key, of: metrics) }
    guard let memory = line["memory"] else { throw RecordFault("no \"memory\"") }
    self.memory = MemoryUse(
      tensorBytes: try integer("tensors", of: memory),
      peakTensorBytes: try integer("peak", of: memory),
      residentBytes: memory["resident"] == nil ? nil : try integer("resident", of: memory)
    )
  }
}

/// Why a line is no record.
struct RecordFault: Error {
  let reason: String
  init(_ reason: String) { self.reason = reason }
}

/// A number as JSON; what is not finite as a string that most languages read as a number.
private func encoded(_ value: Double) -> JSONValue {
  if value.isNaN { return "NaN" }
  if value.isInfinite { return value < 0 ? "-Infinity" : "Infinity" }
  return .number(value)
}

private func number(_ key: String, of object: JSONValue) throws(RecordFault) -> Double {
  guard let value = object[key] else { throw RecordFault("no \(key.quotedForMessage)") }
  if let number = value.doubleValue { return number }
  switch value.stringValue {
  case "NaN": return .nan
  case "Infinity": return .infinity
  case "-Infinity": return -.infinity
  default:
    throw RecordFault("\(key.quotedForMessage) is \(value.kind), expected a number")
  }
}

private func integer(_ key: String, of object: JSONValue) throws(RecordFault) -> Int {
  guard let value = object[key] else { throw RecordFault("no \(key.quotedForMessage)") }
  guard let number = value.intValue, number >= 0 else {
    throw RecordFault("\(key.quotedForMessage) is not a count")
  }
  return number
}
