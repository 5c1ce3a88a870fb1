import Checkpoints
import Dispatch
import Tensor

/// The log of a run: a JSONL file, one record a line, each on its way to the disk when the call
/// returns.
///
///     let log = try RunLog(path: "run/log.jsonl")
///     try log.append(step: 10, epoch: 0, ["loss": loss.scalar])
///     ...
///     let log = try RunLog(path: "run/log.jsonl", resumingAfter: 200)   // later, from step 200 on
///
/// A line reads
///
///     {"step":10,"epoch":0,"seconds":1.5,"metrics":{"loss":2.25},"memory":{"tensors":4096,…}}
///
/// JSON has no NaN and no infinity: they are the strings `"NaN"`, `"Infinity"` and `"-Infinity"`,
/// which `float()` in Python and `Number()` in JavaScript take. Other numbers have the fewest digits
/// that give the same bits back. Unknown keys are ignored, steps never decrease.
///
/// A process that dies while it writes leaves a torn last line: reading leaves it out, resuming
/// removes it. One object at a time, in all processes, writes a log.
public final class RunLog {
  /// The file.
  public let path: String
  /// The last record; nil before the first.
  public private(set) var last: RunRecord?
  private let file: GrowingFile
  private let now: () -> Double
  private let start: Double

  /// Begins the log of a new run; folders on the way are made.
  ///
  /// - Parameters:
  ///   - path: the file; it must be missing or without records.
  ///   - now: seconds on a clock that never goes back.
  /// - Throws: `RunLogError.taken` when the file has records, `.damaged`, `.file`.
  public convenience init(
    path: String,
    now: @escaping () -> Double = { RunLog.uptime() }
  ) throws(RunLogError) {
    try self.init(path, resumingAfter: nil, now)
  }

  /// Goes on with the log of a run from a step: records of later steps are removed.
  ///
  /// - Parameters:
  ///   - path: the file; a missing one is made.
  ///   - step: the last step to keep; 0 starts over.
  ///   - now: seconds on a clock that never goes back; the records go on from the last one's.
  /// - Throws: `RunLogError.damaged` with the line, `.file`.
  public convenience init(
    path: String,
    resumingAfter step: Int,
    now: @escaping () -> Double = { RunLog.uptime() }
  ) throws(RunLogError) {
    try self.init(path, resumingAfter: step, now)
  }

  private init(
    _ path: String,
    resumingAfter step: Int?,
    _ now: @escaping () -> Double
  ) throws(RunLogError) {
    self.path = path
    self.now = now
    file = try filing { () throws(CheckpointError) in try GrowingFile(path: path) }
    let bytes = try filing(file.bytes)
    let lines = try RunLogLines(bytes: bytes, path: path)
    if step == nil, let last = lines.records.last {
      throw .taken(path: path, records: lines.records.count, lastStep: last.step)
    }
    let kept = lines.records.prefix { $0.step <= step ?? 0 }
    last = kept.last
    start = now() - (kept.last?.seconds ?? 0)
    let end = kept.isEmpty ? 0 : lines.ends[kept.count - 1]
    try filing { () throws(CheckpointError) in
      try file.truncate(to: end)
      // A hand may have taken the last line feed away.
      if kept.count == lines.records.count && lines.lacksLineFeed { try file.append([0x0A]) }
    }
  }

  /// Logs a step: its values, the time and the memory.
  ///
  /// - Parameters:
  ///   - step: the step; not less than the last record's.
  ///   - epoch: the epoch.
  ///   - metrics: values by name.
  /// - Returns: the record as it was written.
  /// - Throws: `RunLogError.file`.
  @discardableResult
  public func append<Number: BinaryFloatingPoint>(
    step: Int,
    epoch: Int = 0,
    _ metrics: [String: Number]
  ) throws(RunLogError) -> RunRecord {
    let record = RunRecord(
      step: step,
      epoch: epoch,
      seconds: now() - start,
      metrics: metrics.mapValues { Double($0) }
    )
    try append(record)
    return record
  }

  /// Logs a record as it is.
  ///
  /// - Throws: `RunLogError.file`.
  public func append(_ record: RunRecord) throws(RunLogError) {
    expect(
      record.step >= last?.step ?? 0 && record.epoch >= 0,
      "run log: step \(record.step) after step \(last?.step ?? 0)"
    )
    try filing { () throws(CheckpointError) in try file.append(record.line) }
    last = record
  }

  /// Brings all records to the disk, so that they survive a loss of power.
  ///
  /// - Throws: `RunLogError.file`.
  public func synchronize() throws(RunLogError) {
    try filing(file.synchronize)
  }

  /// The records of a log, which another process may be writing; a torn last line is left out.
  ///
  /// - Throws: `RunLogError.damaged` with the line, `.file`.
  public static func read(_ path: String) throws(RunLogError) -> [RunRecord] {
    let bytes = try filing { () throws(CheckpointError) in
      let file = try MappedFile(path: path, mode: .inMemory)
      defer { withExtendedLifetime(file) {} }
      return Array(file.bytes)
    }
    return try RunLogLines(bytes: bytes, path: path).records
  }

  /// Seconds on a clock that never goes back.
  public static func uptime() -> Double {
    Double(DispatchTime.now().uptimeNanoseconds) / 1e9
  }
}

/// Runs code on the file; its errors become the log's.
private func filing<Result>(
  _ body: () throws(CheckpointError) -> Result
) throws(RunLogError) -> Result {
  do throws(CheckpointError) { return try body() } catch { throw .file(error) }
}

/// The lines of a log and where they end.
private struct RunLogLines {
  private(set) var records: [RunRecord] = []
  /// The byte after each record's line feed, or after the record where there is none.
  private(set) var ends: [Int] = []
  private(set) var lacksLineFeed = false

  init(bytes: [UInt8], path: String) throws(RunLogError) {
    var start = 0
    var number = 0
    while start < bytes.count {
      number += 1
      let feed = bytes[start...].firstIndex(of: 0x0A)
      let content = Array(bytes[start..<(feed ?? bytes.count)])
      let record: RunRecord
      do throws(RecordFault) {
        record = try parsed(content)
        if let last = records.last, record.step < last.step {
          throw RecordFault("step \(record.step) after step \(last.step)")
        }
      } catch {
        // Without a line feed it is a line that was not written to its end.
        if feed == nil { return }
        throw .damaged(path: path, line: number, reason: error.reason)
      }
      records.append(record)
      lacksLineFeed = feed == nil
      start = feed.map { $0 + 1 } ?? bytes.count
      ends.append(start)
    }
  }

  private func parsed(_ line: [UInt8]) throws(RecordFault) -> RunRecord {
    let value: JSONValue
    do throws(JSONError) { value = try .parse(line) } catch {
      throw RecordFault(error.description)
    }
    return try RunRecord(value)
  }
}
