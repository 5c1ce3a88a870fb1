import Autograd
import Tensor

/// What networks in use make of a batch: x → z → x̂ → ẑ.
struct AutoencoderPass {
  /// x [N × D].
  let rows: Tensor<Float>
  /// z [N × d].
  let latents: Tensor<Float>
  /// x̂ [N × D].
  let output: Tensor<Float>?
  /// ẑ [N × d].
  let reencoded: Tensor<Float>?
  /// h_l(x) − h_l(x̂) of the input and every layer, the latents last; empty unless asked for.
  let differences: [Tensor<Float>]

  /// Which parts are needed.
  struct Parts {
    var output = true
    var reencoded = true
    var path = true

    static let all = Parts()

    init() {}

    init(for scores: [NoveltyScore]) {
      path = scores.contains { $0.usesPath }
      reencoded = scores.contains { $0.usesReencoding }
      output = reencoded || scores.contains { $0 != .subspace }
    }
  }

  init(_ rows: Tensor<Float>, through networks: Autoencoder, _ parts: Parts) {
    self.rows = rows
    func path(_ x: Tensor<Float>) -> [Tensor<Float>] {
      guard parts.path else { return [networks.encode(x)] }
      return withoutGradients { networks.encoder.path(Variable(x)).map(\.value) }
    }
    let hidden = path(rows)
    latents = hidden[hidden.count - 1]
    guard parts.output else {
      (output, reencoded, differences) = (nil, nil, [])
      return
    }
    let decoded = networks.decode(latents)
    output = decoded
    guard parts.reencoded else {
      (reencoded, differences) = (nil, [])
      return
    }
    let again = path(decoded)
    reencoded = again[again.count - 1]
    differences = parts.path ? [rows - decoded] + zip(hidden, again).map { $0 - $1 } : []
  }

  /// z − ẑ [N × d].
  var latentChanges: Tensor<Float> { reencoded.map { latents - $0 } ?? latents }
  /// ‖x − x̂‖² of each row.
  var reconstructionErrors: [Float] { output.map { rows.rowSquaredDistances(to: $0) } ?? [] }
  /// The angles between z and ẑ.
  var angles: [Float] { reencoded.map { latentAngles(latents, $0) } ?? [] }

  /// Σ over the layers of ‖h(x) − h(x̂)‖²: RaPP's SAP.
  var pathErrors: [Float] {
    var sums = [Float](repeating: 0, count: rows.shape[0])
    for part in differences {
      for (row, norm) in part.rowSquaredNorms().enumerated() { sums[row] += norm }
    }
    return sums
  }
}

extension NetworkChain {
  /// The chain's result without gradients.
  func callAsFunction(_ rows: Tensor<Float>) -> Tensor<Float> {
    withoutGradients { self(Variable(rows)).value }
  }
}
