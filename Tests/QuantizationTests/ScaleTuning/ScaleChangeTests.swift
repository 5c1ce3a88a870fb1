import Quantization
import Tensor
import TestSupport
import Testing

@Suite struct ScaleChangeTests {
  private func adapter(
    _ scales: [Float],
    task: String = "a",
    base: String = String(repeating: "0", count: 64)
  ) -> ScaleAdapter {
    ScaleAdapter(
      method: .peqa,
      task: task,
      step: 1,
      baseDigest: base,
      bits: "4",
      group: "-1",
      axis: "oc",
      scales: ["layer": Tensor(scales, shape: [scales.count, 1])]
    )
  }

  @Test func changesAreRelativeToTheFirst() throws {
    let changes = try adapter([1, -2, 0, 4]).changes(to: adapter([1.5, 2, 5, 4]))
    let change = try #require(changes.first)
    #expect(changes.count == 1 && change.layer == "layer" && change.count == 4)
    // The third scale was 0: (0.5² + (−2)² + 0²) / 3.
    expectClose([change.rootMeanSquare], [(4.25 / 3).squareRoot()], relative: 1e-12)
    #expect(change.largest == 2 && change.signChanges == 1)
  }

  @Test func otherBasesLayersAndShapesAreRefused() {
    let first = adapter([1, 2])
    let foreign = adapter([1, 2], task: "b", base: String(repeating: "1", count: 64))
    #expect(
      throws: ScaleAdapterError.foreignBase(
        task: "b",
        expected: first.baseDigest,
        found: foreign.baseDigest
      )
    ) { try first.changes(to: foreign) }
    #expect(
      throws: ScaleAdapterError.shape(task: "a", layer: "layer", expected: [2, 1], found: [1, 1])
    ) { try first.changes(to: adapter([1])) }
    var renamed = first
    renamed.scales = ["other": .ones([2, 1])]
    #expect(throws: ScaleAdapterError.self) { try first.changes(to: renamed) }
  }
}
