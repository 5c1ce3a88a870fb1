import Foundation
import ModelSupport
import Support
import Transformer

/// The memory that a model needs when all its places are full.
struct ModelMemory: Sendable {
  /// Its weights.
  let weights: Int
  /// Keys and values.
  let caches: Int
  /// The logits of a pass.
  let logits: Int
  /// What a pass computes with, and as much again that waits for the next one.
  let buffers: Int
  private let places: Int
  private let contextLength: Int

  /// The need of a model.
  init(
    _ file: ModelFile,
    computation: Computation,
    places: Int,
    contextLength: Int,
    precision: KeyValueCache.Precision
  ) {
    let shape = file.pretrained.configuration
    weights = file.byteCount(as: computation)
    caches =
      places * KeyValueCache.byteCount(tokens: contextLength, of: shape, precision: precision)
    logits = 4 * places * shape.vocabularyCount
    // The stream and what norms, queries, keys, values and the feed-forward network make of it.
    let row =
      8 * shape.hiddenWidth + 3 * shape.feedForwardWidth + 2 * shape.headCount * shape.headWidth
    buffers = 2 * 4 * row * (ServingSettings.passLength + places)
    self.places = places
    self.contextLength = contextLength
  }

  /// All of it.
  var total: Int { weights + caches + logits + buffers }

  /// Refuses a model for which there is no room.
  ///
  /// - Parameters:
  ///   - name: what the model is called.
  ///   - limit: the bytes of all models.
  ///   - used: what others take.
  /// - Throws: `CommandFailure` with the numbers.
  func check(_ name: String, limit: Int, used: Int) throws(CommandFailure) {
    guard total > limit - used else { return }
    throw CommandFailure(
      "\(name) needs \(byteCount(total)) (weights \(byteCount(weights)), keys and values of "
        + "\(places) texts of \(contextLength.grouped) tokens \(byteCount(caches)), logits "
        + "\(byteCount(logits)), a pass \(byteCount(buffers))), and \(byteCount(max(limit - used, 0))) of \(byteCount(limit)) are "
        + "free; unload a model, or lower --parallel or --context, or raise --memory"
    )
  }

  /// Nine tenths of the memory that the system can give now.
  static var available: Int {
    let available = systemAvailable ?? Int(clamping: ProcessInfo.processInfo.physicalMemory)
    return available / 10 * 9
  }

  /// What Linux says is available, within the limit of the control group.
  private static var systemAvailable: Int? {
    func text(_ path: String) -> String? { try? String(contentsOfFile: path, encoding: .utf8) }
    func number(_ path: String) -> Int? {
      text(path).flatMap { Int($0.trimmingCharacters(in: .whitespacesAndNewlines)) }
    }
    let line = text("/proc/meminfo")?.split(separator: "\n").first { $0.hasPrefix("MemAvailable:") }
    let kilobytes = line?.split(separator: " ").dropFirst().first.flatMap { Int($0) }
    let group = "/sys/fs/cgroup/memory."
    guard let limit = number(group + "max"), let used = number(group + "current") else {
      return kilobytes.map { 1024 * $0 }
    }
    // Files that were read count as used, and go when memory is needed.
    let cached = text(group + "stat")?.split(separator: "\n").first {
      $0.hasPrefix("inactive_file ")
    }
    let files = cached?.split(separator: " ").last.flatMap { Int($0) } ?? 0
    return min(kilobytes.map { 1024 * $0 } ?? .max, max(limit - used + files, 0))
  }

  /// The memory that this process has in use; nil where the system does not say.
  static var resident: Int? {
    let fields = (try? String(contentsOfFile: "/proc/self/statm", encoding: .utf8))?
      .split(separator: " ")
    guard let fields, fields.count > 1, let pages = Int(fields[1]) else { return nil }
    return pages * Int(sysconf(Int32(_SC_PAGESIZE)))
  }
}
