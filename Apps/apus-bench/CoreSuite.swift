import Checkpoints
import Tensor

extension Suite {
  /// The tensor operations that everything else is made of.
  static let core = Suite(
    name: "core",
    summary: "matrix products, vector and row operations, convolutions, optimizers, calls, training"
  ) { run in
    try CoreSuite(run: run).measure()
  }
}

struct CoreSuite {
  let run: BenchRun

  func measure() throws {
    try measureProducts()
    try measureLayers()
    try measureVectors()
    try measureRows()
    try measureOptimizers()
    try measureCalls()
    try measureTape()
    try measureRowGradients()
    try measureConvolutions()
    try measureTraining()
  }

  /// Numbers that are the same in every run.
  func random(_ shape: Shape) -> Tensor<Float> {
    var generator = Philox(seed: 0)
    return .uniform(shape, from: -2, to: 2, using: &generator)
  }
}

// MARK: - Matrix products

extension CoreSuite {
  /// A product C [m × n] = op(A) · op(B) over k.
  private struct Product {
    let name: String
    let m: Int
    let n: Int
    let k: Int
    var transposesA = false
    var transposesB = false
  }

  /// The products of training and of attention.
  private static let products: [Product] = [
    Product(name: "64³ A·Bᵀ", m: 64, n: 64, k: 64, transposesB: true),
    Product(name: "512³", m: 512, n: 512, k: 512),
    Product(name: "1024³", m: 1024, n: 1024, k: 1024),
    Product(name: "2048³", m: 2048, n: 2048, k: 2048),
    Product(name: "forward 1024×2048×512 A·Bᵀ", m: 1024, n: 2048, k: 512, transposesB: true),
    Product(name: "dX 1024×512×2048", m: 1024, n: 512, k: 2048),
    Product(name: "dW 2048×512×1024 Aᵀ·B", m: 2048, n: 512, k: 1024, transposesA: true),
    Product(name: "Q·Kᵀ 256×256×64", m: 256, n: 256, k: 64, transposesB: true),
    Product(name: "P·V 256×64×256", m: 256, n: 64, k: 256),
    Product(name: "16×2048×512 A·Bᵀ", m: 16, n: 2048, k: 512, transposesB: true),
  ]

  private func measureProducts() throws {
    run.startGroup("products")
    for product in Self.products {
      let (m, n, k) = (product.m, product.n, product.k)
      let a = random(product.transposesA ? [k, m] : [m, k])
      let b = random(product.transposesB ? [n, k] : [k, n])
      let operations = 2 * Double(m * n * k)
      try run.measure(
        BenchCase(
          name: product.name,
          metric: .flops(operations),
          bound: .arithmetic(operations),
          peer: [
            "kind": "gemm", "m": .integer(Int64(m)), "n": .integer(Int64(n)),
            "k": .integer(Int64(k)), "transpose_a": .bool(product.transposesA),
            "transpose_b": .bool(product.transposesB),
          ]
        ) {
          keep(
            a.matmul(
              b,
              transposingSelf: product.transposesA,
              transposingOther: product.transposesB
            )
          )
        }
      )
    }
  }

  /// Inputs and outputs of a model's linear layers.
  private static let layers: [(inputs: Int, outputs: Int)] = [
    (576, 576), (576, 192), (576, 1536), (1536, 576), (576, 49152), (2048, 8192), (4096, 4096),
  ]

  /// Bytes of weights that no cache holds.
  private static let coldBytes = 256 << 20

  /// x Wᵀ for the 512 rows of a prompt, for 16, and for the single row of a generated token.
  ///
  /// A model that writes a token reads all its weights once, so the single row meets weights that
  /// lie in memory: many matrices take turns.
  private func measureLayers() throws {
    for rows in [512, 16, 1] {
      run.startGroup(rows == 1 ? "layers, one row, cold" : "layers, \(rows) rows")
      for (inputs, outputs) in Self.layers {
        let copies = rows == 1 ? max(1, Self.coldBytes / (4 * inputs * outputs)) : 1
        try measureLayer(rows: rows, inputs: inputs, outputs: outputs, copies: copies)
      }
    }
  }

  private func measureLayer(rows: Int, inputs: Int, outputs: Int, copies: Int) throws {
    let first = random([outputs, inputs])
    let weights = (0..<copies).map { index in
      WeightMatrix.float32(index == 0 ? first : first * (1 + 1 / Float(index)))
    }
    let x = random([rows, inputs])
    let bytes = 4 * Double(inputs * outputs + inputs + outputs)
    let operations = 2 * Double(rows * inputs * outputs)
    let peer: JSONObject = [
      "kind": "linear", "rows": .integer(Int64(rows)), "inputs": .integer(Int64(inputs)),
      "outputs": .integer(Int64(outputs)), "copies": .integer(Int64(copies)),
    ]
    var turn = 0
    try run.measure(
      BenchCase(
        name: "\(rows)×\(outputs)×\(inputs)",
        // The weights of a single row are read once: bytes count, not operations.
        metric: rows == 1 ? .bytes(bytes) : .flops(operations),
        bound: rows == 1 ? .memory(bytes) : .arithmetic(operations),
        peer: peer
      ) {
        keep(weights[turn].product(with: x))
        turn = (turn + 1) % copies
      }
    )
  }
}
