import Autograd
import Foundation
import Tensor
import Transformer

/// The decoder written out token by token in Double: the oracle of `DecoderModel`.
struct NaiveDecoder {
  let configuration: TransformerConfiguration
  let source: any WeightSource

  init(_ configuration: TransformerConfiguration, _ source: any WeightSource) {
    self.configuration = configuration
    self.source = source
  }

  func logits(_ tokens: [Int32]) -> [Double] {
    let width = configuration.hiddenWidth
    let table = matrix("model.embed_tokens", configuration.vocabularyCount, width, false)
    var states = tokens.map { token in
      Array(table.weight[Int(token) * width..<(Int(token) + 1) * width])
    }
    for block in 0..<configuration.blockCount {
      let prefix = "model.layers.\(block)."
      let attended = attention(normed(states, prefix + "input_layernorm"), prefix + "self_attn.")
      states = zip(states, attended).map { zip($0, $1).map(+) }
      let mixed = feedForward(
        normed(states, prefix + "post_attention_layernorm"),
        prefix + "mlp."
      )
      states = zip(states, mixed).map { zip($0, $1).map(+) }
    }
    let head = matrix("lm_head", configuration.vocabularyCount, width, false)
    return normed(states, "model.norm").flatMap { head($0) }
  }

  private struct Matrix {
    var weight: [Double]
    var bias: [Double]
    let inputs: Int

    func callAsFunction(_ x: [Double]) -> [Double] {
      bias.indices.map { row in
        bias[row] + (0..<inputs).reduce(0) { $0 + weight[row * inputs + $1] * x[$1] }
      }
    }
  }

  private func matrix(_ name: String, _ outputs: Int, _ inputs: Int, _ biased: Bool) -> Matrix {
    guard
      let layer = try? source.linear(
        name,
        outputWidth: outputs,
        inputWidth: inputs,
        hasBias: biased
      ) as? FrozenLinear
    else { fatalError("the test's source has no linear layer \(name)") }
    return Matrix(
      weight: layer.weight.floats().elements.map(Double.init),
      bias: layer.bias?.elements.map(Double.init) ?? Array(repeating: 0, count: outputs),
      inputs: inputs
    )
  }

  private func normed(_ states: [[Double]], _ name: String) -> [[Double]] {
    guard let weight = try? source.tensor(name + ".weight", shape: [configuration.hiddenWidth])
    else { fatalError("the test's source has no norm \(name)") }
    let scales = weight.elements.map(Double.init)
    return states.map { x in
      let mean = x.reduce(0) { $0 + $1 * $1 } / Double(x.count)
      let factor = 1 / (mean + Double(configuration.normEpsilon)).squareRoot()
      return zip(x, scales).map { $0 * $1 * factor }
    }
  }

  private func rotated(_ x: [Double], position: Int) -> [Double] {
    let width = configuration.headWidth
    let half = width / 2
    var result = x
    for head in 0..<x.count / width {
      for index in 0..<half {
        let base = Double(configuration.rotaryBase)
        let angle = Double(position) * pow(base, -2 * Double(index) / Double(width))
        let (low, high) = (x[head * width + index], x[head * width + index + half])
        result[head * width + index] = low * cos(angle) - high * sin(angle)
        result[head * width + index + half] = high * cos(angle) + low * sin(angle)
      }
    }
    return result
  }

  private func attention(_ states: [[Double]], _ prefix: String) -> [[Double]] {
    let (heads, keyHeads) = (configuration.headCount, configuration.keyHeadCount)
    let (width, biased) = (configuration.headWidth, configuration.hasAttentionBias)
    let hidden = configuration.hiddenWidth
    let query = matrix(prefix + "q_proj", heads * width, hidden, biased)
    let key = matrix(prefix + "k_proj", keyHeads * width, hidden, biased)
    let value = matrix(prefix + "v_proj", keyHeads * width, hidden, biased)
    let output = matrix(prefix + "o_proj", hidden, heads * width, biased)
    let queries = states.enumerated().map { rotated(query($1), position: $0) }
    let keys = states.enumerated().map { rotated(key($1), position: $0) }
    let values = states.map { value($0) }
    return states.indices.map { position in
      var mixed = [Double](repeating: 0, count: heads * width)
      for head in 0..<heads {
        let shared = head / (heads / keyHeads)
        let scores = (0...position).map { other in
          (0..<width).reduce(0) { sum, index in
            sum + queries[position][head * width + index] * keys[other][shared * width + index]
          } / Double(width).squareRoot()
        }
        let total = scores.reduce(0) { $0 + exp($1) }
        for other in 0...position {
          for index in 0..<width {
            mixed[head * width + index] +=
              exp(scores[other]) / total * values[other][shared * width + index]
          }
        }
      }
      return output(mixed)
    }
  }

  private func feedForward(_ states: [[Double]], _ prefix: String) -> [[Double]] {
    let (width, inner) = (configuration.hiddenWidth, configuration.feedForwardWidth)
    let biased = configuration.hasFeedForwardBias
    let gate = matrix(prefix + "gate_proj", inner, width, biased)
    let up = matrix(prefix + "up_proj", inner, width, biased)
    let down = matrix(prefix + "down_proj", width, inner, biased)
    return states.map { x in
      down(zip(gate(x), up(x)).map { $0 / (1 + exp(-$0)) * $1 })
    }
  }
}
