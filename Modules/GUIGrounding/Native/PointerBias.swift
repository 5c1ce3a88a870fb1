import Autograd
import Foundation
import Tensor

/// Adds to the logits of place words and bins how well the cells they stand for match.
///
///     place p:  z += g₀ · LSE(a over the cells of p) + g₁ · LSE(a over the offsets p)
///     bin b:    z += g₂ · LSE(a over column b)       + g₃ · LSE(a over row b)
///
/// a are the scores of the grid's cells and g four gates, for each position; LSE is log Σ exp. The
/// result is still one categorical distribution, so log-probabilities stay exact.
///
/// All sums of a position are one product of exp(a − max a) with the groups' membership; a group
/// that vanishes beside the largest score is summed by itself.
///
/// - Shapes: logits [R × V], scores [R × S], gates [R × 4], result [R × V].
func addingPointerBias(
  to logits: Variable,
  scores: Variable,
  gates: Variable,
  groups: PointerGroups
) -> Variable {
  let sums = GroupSums(scores.value, groups)
  let value = logits.value + sums.bias(gates: gates.value, width: logits.shape[1])
  let gateValues = gates.value
  return .custom(value, inputs: [logits, scores, gates]) { gradient in
    let (scores, gates) = sums.gradients(gradient, gates: gateValues)
    return [gradient, scores, gates]
  }
}

/// The logarithms of sums of exponentials over groups of cells, row by row.
private struct GroupSums {
  let groups: PointerGroups
  let scores: Tensor<Float>
  /// exp(a − max a) [R × S].
  let exponentials: Tensor<Float>
  /// Σ exp(a − max a) [R × N].
  let sums: Tensor<Float>
  /// log Σ exp(a) [R × N].
  var logarithms: Tensor<Float>
  /// The groups that were summed by themselves: row and group.
  var tiny: [(row: Int, group: Int)] = []

  /// Sums below this have lost digits.
  private static let least: Float = 1e-25

  init(_ scores: Tensor<Float>, _ groups: PointerGroups) {
    self.groups = groups
    self.scores = scores
    let largest = scores.max(axes: [1], keepingDimensions: true)  // [R, 1]
    exponentials = (scores - largest).exp()  // [R, S]
    sums = exponentials.matmul(groups.membership)  // [R, N]
    logarithms = sums.log() + largest
    let count = groups.cells.count
    let found = sums.withUnsafeElements { sums in
      sums.indices.filter { !(sums[$0] >= Self.least) }
    }
    for index in found {
      let (row, group) = (index / count, index % count)
      tiny.append((row, group))
      let exact = logSum(row, group)
      logarithms.withUnsafeMutableElements { $0[index] = exact }
    }
  }

  private func logSum(_ row: Int, _ group: Int) -> Float {
    let width = scores.shape[1]
    return scores.withUnsafeElements { scores in
      let values = groups.cells[group].map { scores[row * width + Int($0)] }
      let largest = values.max() ?? 0
      guard largest.isFinite else { return largest }
      return largest + log(values.reduce(0) { $0 + exp($1 - largest) })
    }
  }

  /// What is added to the logits [R × V].
  func bias(gates: Tensor<Float>, width: Int) -> Tensor<Float> {
    let (rows, count) = (gates.shape[0], groups.cells.count)
    let (places, bins) = (Int(GroundingVocabulary.firstPlace), groups.binCount)
    return logarithms.withUnsafeElements { sums in
      gates.withUnsafeElements { gates in
        Tensor(uninitialized: [rows, width]) { bias in
          bias.update(repeating: 0)
          for row in 0..<rows {
            let (g, l, to) = (row * 4, row * count, row * width + places)
            for place in 0..<16 {
              bias[to + place] = gates[g] * sums[l + place] + gates[g + 1] * sums[l + 16 + place]
            }
            for bin in 0..<bins {
              bias[to + 16 + bin] =
                gates[g + 2] * sums[l + 32 + bin] + gates[g + 3] * sums[l + 32 + bins + bin]
            }
          }
        }
      }
    }
  }

  /// The gradients of scores and gates from that of the logits [R × V].
  func gradients(
    _ gradient: Tensor<Float>,
    gates: Tensor<Float>
  ) -> (scores: Tensor<Float>, gates: Tensor<Float>) {
    let (ofSums, ofGates) = sumGradients(gradient, gates: gates)
    // d log Σ exp(a) / da = exp(a − max a) / Σ exp(a − max a) inside the group.
    var shares = ofSums / sums  // [R, N]
    let count = groups.cells.count
    shares.withUnsafeMutableElements { shares in
      for place in tiny { shares[place.row * count + place.group] = 0 }
    }
    var result = exponentials * shares.matmul(groups.membership, transposingOther: true)
    for place in tiny { addTiny(place, ofSums, to: &result) }
    return (result, ofGates)
  }

  /// The gradients of the logarithms [R × N] and of the gates [R × 4].
  private func sumGradients(
    _ gradient: Tensor<Float>,
    gates: Tensor<Float>
  ) -> (sums: Tensor<Float>, gates: Tensor<Float>) {
    let (rows, count, width) = (gates.shape[0], groups.cells.count, gradient.shape[1])
    let (places, bins) = (Int(GroundingVocabulary.firstPlace), groups.binCount)
    // Where each gate's tokens, groups and gate lie.
    let parts = [
      (places, 16, 0, 0), (places, 16, 16, 1), (places + 16, bins, 32, 2),
      (places + 16, bins, 32 + bins, 3),
    ]
    var ofGates = Tensor<Float>.zeros([rows, 4])
    let ofSums = Tensor<Float>(uninitialized: [rows, count]) { target in
      withUnsafeParts(gradient, gates, &ofGates) { from, gate, logarithm, ofGate in
        for row in 0..<rows {
          for (first, length, group, index) in parts {
            let (l, d, factor) = (row * count + group, row * width + first, gate[row * 4 + index])
            var total: Float = 0
            for place in 0..<length {
              target[l + place] = factor * from[d + place]
              total += logarithm[l + place] * from[d + place]
            }
            ofGate[row * 4 + index] = total
          }
        }
      }
    }
    return (ofSums, ofGates)
  }

  private func withUnsafeParts(
    _ gradient: Tensor<Float>,
    _ gates: Tensor<Float>,
    _ ofGates: inout Tensor<Float>,
    _ body: (
      UnsafeBufferPointer<Float>, UnsafeBufferPointer<Float>, UnsafeBufferPointer<Float>,
      UnsafeMutableBufferPointer<Float>
    ) -> Void
  ) {
    gradient.withUnsafeElements { gradient in
      gates.withUnsafeElements { gates in
        logarithms.withUnsafeElements { logarithms in
          ofGates.withUnsafeMutableElements { body(gradient, gates, logarithms, $0) }
        }
      }
    }
  }

  private func addTiny(
    _ place: (row: Int, group: Int),
    _ gradient: Tensor<Float>,
    to result: inout Tensor<Float>
  ) {
    let (width, index) = (scores.shape[1], place.row * groups.cells.count + place.group)
    let (share, logarithm) = gradient.withUnsafeElements { gradient in
      logarithms.withUnsafeElements { (gradient[index], $0[index]) }
    }
    guard logarithm.isFinite else { return }
    scores.withUnsafeElements { scores in
      result.withUnsafeMutableElements { result in
        for cell in groups.cells[place.group] {
          let position = place.row * width + Int(cell)
          result[position] += share * exp(scores[position] - logarithm)
        }
      }
    }
  }
}
