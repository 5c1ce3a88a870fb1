import CKernels
import Checkpoints
import Tensor

// MARK: - Vector and row operations

extension CoreSuite {
  /// Elements that the second-level cache holds, and elements that no cache holds.
  private static let vectorSizes = [(count: 1 << 16, name: "64 Ki"), (1 << 24, "16 Mi")]

  func measureVectors() throws {
    for (count, name) in Self.vectorSizes {
      run.startGroup("vectors of \(name)")
      let (a, b) = (random([count]), random([count]))
      func measure(_ name: String, _ key: String, arrays: Int, _ call: @escaping () -> Void) throws
      {
        let bytes = Double(4 * arrays * count)
        try run.measure(
          BenchCase(
            name: name,
            metric: .bytes(bytes),
            bound: count > 1 << 20 ? .memory(bytes) : .unknown,
            peer: ["kind": "vector", "name": .string(key), "count": .integer(Int64(count))],
            call: call
          )
        )
      }
      try measure("add", "add", arrays: 3) { keep(a + b) }
      try measure("sum", "sum", arrays: 1) { keep(a.sum()) }
      try measure("exp", "exp", arrays: 2) { keep(a.exp()) }
      try measure("gelu", "gelu", arrays: 2) { keep(a.gelu(.tanh)) }
      try measure("silu", "silu", arrays: 2) { keep(a.silu()) }
      try measure("silu-multiply", "silu_multiply", arrays: 3) { keep(a.gated(.silu, by: b)) }
    }
  }

  func measureRows() throws {
    for (count, name) in Self.vectorSizes {
      run.startGroup("rows, \(name) elements")
      func measure(
        _ name: String,
        _ key: String,
        width: Int,
        _ call: @escaping (Tensor<Float>) -> Void
      ) throws {
        let rows = count / width
        let x = random([rows, width])
        try run.measure(
          BenchCase(
            name: "\(name), rows of \(width)",
            metric: .bytes(Double(8 * count)),
            bound: count > 1 << 20 ? .memory(Double(8 * count)) : .unknown,
            peer: [
              "kind": "rows", "name": .string(key), "count": .integer(Int64(rows)),
              "width": .integer(Int64(width)),
            ]
          ) { call(x) }
        )
      }
      let (weight, bias) = (random([512]), random([512]))
      try measure("softmax", "softmax", width: 1024) { keep($0.softmax()) }
      try measure("rms-norm", "rms_norm", width: 512) {
        keep($0.rmsNormalized(weight: weight, epsilon: 1e-5))
      }
      try measure("layer-norm", "layer_norm", width: 512) {
        keep($0.layerNormalized(weight: weight, bias: bias))
      }
    }
  }
}

// MARK: - The cost of a call

extension CoreSuite {
  /// Operations so small that only the way to the kernel counts.
  func measureCalls() throws {
    run.startGroup("calls on 8×8")
    let (a, b) = (random([8, 8]), random([8, 8]))
    func measure(_ name: String, _ call: @escaping () -> Void) throws {
      try run.measure(
        BenchCase(
          name: name,
          metric: .microseconds,
          peer: ["kind": "small", "name": .string(name)],
          call: call
        )
      )
    }
    try measure("add") { keep(a + b) }
    try measure("matmul") { keep(a.matmul(b)) }
    try measure("reshape") { keep(a.reshaped(to: [64])) }
    try measure("slice") { keep(a[2..<6]) }
  }
}
