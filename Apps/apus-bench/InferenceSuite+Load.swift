import Checkpoints
import Foundation
import Tensor
import Transformer

// MARK: - Load

extension InferenceSuite {
  /// What one load of the model takes.
  private struct Load {
    /// Seconds until the model is there.
    var load: Double
    /// Seconds until it has answered to one token: mapped files are read only then.
    var firstLogits: Double
    /// Bytes of physical memory that both took; nil where the system does not say.
    var resident: Double?
    /// Those of them that are no pages of a file.
    var anonymous: Double?
  }

  /// Loads the model anew in turns, with the file in the page cache.
  func measureLoad() throws {
    try warmPageCache()
    run.startGroup("load")
    var ours: [Load] = []
    var theirs: [Load] = []
    for _ in 0..<max(run.effort.rounds / 2, 2) {
      run.settle()
      ours.append(try loadHere())
      guard let peer = run.peer else { continue }
      run.settle()
      if let load = try load(with: peer) { theirs.append(load) }
    }
    try add("load with tokenizer", "s", ours.map(\.load), theirs.map(\.load))
    try add("the same and first logits", "s", ours.map(\.firstLogits), theirs.map(\.firstLogits))
    // Later rounds find memory that the first has left behind.
    let (mine, other) = (ours.prefix(1), theirs.prefix(1))
    try add(
      "memory after first logits",
      "MB",
      mine.compactMap(\.resident),
      other.compactMap(\.resident)
    )
    let rest = other.first?.anonymous.map { ", \(significant($0)) MB of the peer's" } ?? ""
    if let anonymous = mine.first?.anonymous {
      run.report.say("no file's pages are \(significant(anonymous)) MB of ours" + rest)
    }
  }

  private func add(_ name: String, _ unit: String, _ ours: [Double], _ theirs: [Double]) throws {
    guard !ours.isEmpty else { return }
    func value(_ numbers: [Double]) -> ReportRow.Value {
      var samples = Samples()
      samples.add(numbers)
      return ReportRow.Value(median: samples.median, best: samples.best)
    }
    let peerName = run.peer?.variants["torch"] ?? "torch"
    try run.add(
      ReportRow(
        name: name,
        unit: unit,
        isHigherBetter: false,
        ours: value(ours),
        reference: theirs.isEmpty ? nil : (peerName, value(theirs))
      )
    )
  }

  private func loadHere() throws -> Load {
    MemoryPool.trim()
    let before = ResidentMemory.now()
    let start = ContinuousClock.now
    let model = try PretrainedModel(at: folder).makeModel()
    let loaded = (ContinuousClock.now - start).seconds
    keep(model.nextTokenLogits([0], cache: model.makeCache()))
    let answered = (ContinuousClock.now - start).seconds
    let after = ResidentMemory.now()
    return withExtendedLifetime(model) {
      func growth(_ part: KeyPath<ResidentMemory, Int>) -> Double? {
        guard let before, let after else { return nil }
        return Double(after[keyPath: part] - before[keyPath: part]) / 1e6
      }
      return Load(
        load: loaded,
        firstLogits: answered,
        resident: growth(\.resident),
        anonymous: growth(\.anonymous)
      )
    }
  }

  /// The peer's load; nil if it cannot load all that ours does.
  private func load(with peer: Peer) throws -> Load? {
    let answer = try peer.ask([
      "do": "tell", "name": "load", "folder": .string(folder.path), "tokens": json([0]),
    ])
    guard let load = answer["load"]?.doubleValue, let first = answer["first"]?.doubleValue else {
      return nil
    }
    return Load(
      load: load,
      firstLogits: first,
      resident: answer["resident"]?.doubleValue.map { $0 / 1e6 },
      anonymous: answer["anonymous"]?.doubleValue.map { $0 / 1e6 }
    )
  }

  /// Reads the files once, so that no side pays for the disk.
  private func warmPageCache() throws {
    let names = try FileManager.default.contentsOfDirectory(atPath: folder.path)
    for name in names where name.hasSuffix(".safetensors") {
      let file = try FileHandle(forReadingFrom: folder.appending(path: name))
      while let block = try file.read(upToCount: 16 << 20), !block.isEmpty { continue }
    }
  }
}
