// README begins: operation
import Autograd
import Tensor

// README pauses
import Foundation
import TestSupport
import Testing

// README continues
func roundStraightThrough(_ x: Variable) -> Variable {
  .custom(x.value.rounded(), input: x) { gradient in gradient }
}
// README ends

@Suite struct AutogradReadmeTests {
  @Test func theCustomOperationRoundsAndLetsGradientsThrough() throws {
    let x = Variable(following: Tensor([0.4, -1.6, 2.5]))
    let y = roundStraightThrough(x)
    #expect(y.value.elements == [0, -2, 2])
    y.backward(from: Tensor([1, 2, 3]))
    #expect(x.gradient?.elements == [1, 2, 3])
  }

  @Test func theLoopTrains() throws {
    var generator = Philox(seed: 1)
    // README begins: loop
    let x = Tensor<Float>.uniform([256, 1], from: -2, to: 2, using: &generator)
    let data = TensorDataset(x, (2 * x).sin())
    let model = MLP(widths: [1, 32, 1], activation: .tanh, using: &generator)
    let optimizer = AdamW(model, learningRate: 0.01)
    for (x, y) in data.batches(of: 32, order: .shuffled(seed: 1), epochs: 50) {
      let loss = meanSquaredError(predictions: model(Variable(x)), targets: Variable(y))
      loss.backward()
      optimizer.step()
      model.clearGradients()
    }
    // README ends
    let error = (model(x) - data.tensors.1).square().mean()
    #expect(error < 0.02, "\(error)")
  }

  /// The lines above and the blocks of the section "Train something" of README.md are the same.
  @Test func theReadmeShowsTheseLines() throws {
    let source = try String(contentsOfFile: #filePath, encoding: .utf8)
    let readme = try String(contentsOfFile: Fixtures.checkout + "/README.md", encoding: .utf8)
    let section = try #require(readme.range(of: "\n## Train something\n"))
    let rest = readme[section.upperBound...]
    let shown = rest[..<(rest.range(of: "\n## ")?.lowerBound ?? rest.endIndex)]
    let compiled = blocks(of: source, from: "// README begins", to: "// README ends")
    #expect(compiled.map(\.count) == [5, 10])
    #expect(blocks(of: String(shown), from: "```swift", to: "```") == compiled)
  }

  /// The lines between marks, without the indentation of the first; what lies between
  /// `// README pauses` and `// README continues` is left out, and so are empty lines.
  private func blocks(of text: String, from start: String, to end: String) -> [[String]] {
    var blocks: [[String]] = []
    var isInside = false
    var indentation = 0
    for line in text.split(separator: "\n") {
      let trimmed = line.trimmingCharacters(in: .whitespaces)
      if !isInside, trimmed.hasPrefix(start) {
        (isInside, indentation) = (true, line.prefix { $0 == " " }.count)
        blocks.append([])
      } else if isInside, trimmed == end || trimmed == "// README pauses" {
        isInside = false
      } else if trimmed == "// README continues" {
        isInside = true
      } else if isInside, !trimmed.isEmpty {
        blocks[blocks.count - 1].append(String(line.dropFirst(indentation)))
      }
    }
    return blocks
  }
}
