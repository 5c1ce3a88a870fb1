import Checkpoints
import Tensor

extension BenchRun {
  /// Measures how far a body raises the peak of physical memory, on both sides, and reports it; nothing
  /// where the system cannot tell.
  ///
  /// - Parameters:
  ///   - name: what is measured.
  ///   - order: what the peer is told to do meanwhile; its answer has the bytes under `peak`.
  ///   - body: what is measured here, all that it needs included.
  /// - Throws: what the body throws, and `BenchError` for a peer that does not answer.
  func measurePeak(_ name: String, peer order: JSONObject, _ body: () throws -> Void) throws {
    MemoryPool.trim()
    guard let ours = try ResidentMemory.peakGrowth(body) else { return }
    MemoryPool.trim()
    var order = order
    order["do"] = "tell"
    // What a used process has kept would lower its growth.
    let theirs = try peer?.fresh().ask(order)["peak"]?.doubleValue
    func value(_ bytes: Double) -> ReportRow.Value {
      ReportRow.Value(median: bytes / 1e6, best: bytes / 1e6)
    }
    try add(
      ReportRow(
        name: name + ", peak of memory",
        unit: "MB",
        isHigherBetter: false,
        ours: value(Double(ours)),
        reference: theirs.map { (peer?.variants["torch"] ?? "torch", value($0)) },
        share: nil,
        neighbours: nil
      )
    )
  }
}
