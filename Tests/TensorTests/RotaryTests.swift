import Foundation
import Tensor
import TestSupport
import Testing

@Suite struct RotaryTests {
  private func tables(_ shape: Shape) -> (cosines: Tensor<Float>, sines: Tensor<Float>) {
    let angles = (0..<shape.count).map { Float($0) * 0.37 }
    return (Tensor(angles.map(cos), shape: shape), Tensor(angles.map(sin), shape: shape))
  }

  /// [B × T × H × d] turned element by element.
  private func turned(
    _ x: Tensor<Float>,
    _ cosines: Tensor<Float>,
    _ sines: Tensor<Float>,
    _ options: RotaryOptions
  ) -> [Float] {
    let (rows, heads, width) = (x.shape[1], x.shape[2], x.shape[3])
    let half = cosines.shape[-1]
    var out = x.elements
    for (flat, _) in out.enumerated() where flat % width == 0 {
      let (head, row) = (flat / width % heads, flat / width / heads)
      guard (options.heads ?? 0..<heads).contains(head) else { continue }
      let table = (cosines.rank == 2 ? row % rows : row) * half
      for i in 0..<half {
        let (a, b) = options.pairing == .halves ? (i, i + half) : (2 * i, 2 * i + 1)
        let (p, q) = (x.elements[flat + a], x.elements[flat + b])
        let (c, s) = (cosines.elements[table + i], sines.elements[table + i])
        out[flat + a] = p * c - q * s
        out[flat + b] = q * c + p * s
      }
    }
    return out
  }

  @Test(arguments: [RotaryPairing.halves, .neighbours], [2, 6, 32, 34, 66])
  func turnsPairs(pairing: RotaryPairing, width: Int) {
    var generator = Philox(seed: 31)
    let x = Tensor<Float>.normal([2, 5, 3, width], using: &generator)
    for (shape, heads) in [
      (Shape([5, width / 2]), nil), ([2, 5, width / 2], 0..<2), ([5, (width + 2) / 4], 1..<3),
    ] {
      let (cosines, sines) = tables(shape)
      let options = RotaryOptions(pairing: pairing, heads: heads)
      let found = x.rotated(cosines: cosines, sines: sines, options: options)
      let expected = turned(x, cosines, sines, options)
      expectClose(found.elements, expected, absolute: 1e-6, "\(width) \(shape)")
      let back = found.rotatedBack(cosines: cosines, sines: sines, options: options)
      expectClose(back, x, relative: 1e-5, absolute: 1e-5)
    }
  }

  @Test(arguments: [RotaryPairing.halves, .neighbours])
  func headsFirst(pairing: RotaryPairing) {
    var generator = Philox(seed: 32)
    let x = Tensor<Float>.normal([2, 3, 70, 64], using: &generator)
    let (cosines, sines) = tables([70, 32])
    let options = RotaryOptions(pairing: pairing, layout: .headsFirst)
    let found = x.rotated(cosines: cosines, sines: sines, options: options)
    for batch in 0..<2 {
      for head in 0..<3 {
        let one = x[batch][head].reshaped(to: [1, 70, 1, 64])
        let expected = one.rotated(
          cosines: cosines,
          sines: sines,
          options: RotaryOptions(pairing: pairing)
        )
        #expect(found[batch][head].elements == expected.elements)
      }
    }
  }

  @Test func nothingToTurn() {
    let (cosines, sines) = tables([0, 4])
    let x = Tensor<Float>.zeros([2, 0, 3, 8])
    #expect(x.rotated(cosines: cosines, sines: sines) == x)
  }
}
