import Foundation
// README begins
import Tensor
// README pauses
import TestSupport
import Testing

@Suite struct ReadmeExampleTests {
  @Test func theExampleRuns() {
    // README continues
    var generator = Philox(seed: 1)
    let x = Tensor<Float>.normal([4, 8], using: &generator)
    let weights = x.matmul(x, transposingOther: true).softmax()  // [4×4], each row adds up to 1
    print(weights.matmul(x).rmsNormalized(weight: .ones([8]), epsilon: 1e-5))
    print(x[.all, 2...4])  // some columns
    print(x.rows(where: x[.all, 0] .> 0))  // the rows that begin with a positive number
    // README ends
    #expect(x[.all, 2...4].shape == [4, 3])
    #expect(x.rows(where: x[.all, 0] .> 0).min(axes: 1).shape[0] == (x[.all, 0] .> 0).trueCount)
    for row in 0..<4 { expectClose([weights[row].sum()], [1], relative: 1e-6) }
  }

  /// The lines above and the Swift example of README.md are the same.
  @Test func theReadmeShowsTheseLines() throws {
    let source = try String(contentsOfFile: #filePath, encoding: .utf8)
    let readme = try String(contentsOfFile: Fixtures.checkout + "/README.md", encoding: .utf8)
    let shown = lines(of: readme, from: { $0 == "```swift" }, to: { $0 == "```" })
    let compiled =
      lines(of: source, from: { $0 == "// README begins" }, to: { $0 == "// README pauses" })
      + lines(of: source, from: { $0 == "// README continues" }, to: { $0 == "// README ends" })
    #expect(compiled.count == 7)
    #expect(shown.filter { !$0.isEmpty } == compiled)
  }

  /// The first run of lines between two marks, without indentation.
  private func lines(
    of text: String,
    from isStart: (String) -> Bool,
    to isEnd: (String) -> Bool
  ) -> [String] {
    let trimmed = text.split(separator: "\n", omittingEmptySubsequences: false).map {
      $0.trimmingCharacters(in: .whitespaces)
    }
    guard let start = trimmed.firstIndex(where: isStart) else { return [] }
    return Array(trimmed[(start + 1)...].prefix { !isEnd($0) })
  }
}
