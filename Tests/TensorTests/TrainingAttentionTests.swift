import Tensor
import TestSupport
import Testing

/// One problem of attention with random operands.
private struct Sample {
  var batch = 2
  var heads = 2
  var keyHeads = 2
  var queries = 17
  var keys = 17
  var width = 16
  var options = AttentionOptions()

  typealias Operands = (q: Tensor<Float>, k: Tensor<Float>, v: Tensor<Float>, d: Tensor<Float>)

  func operands(seed: UInt64 = 3) -> Operands {
    var generator = Philox(seed: seed)
    let q = Tensor<Float>.normal([batch, heads, queries, width], using: &generator)
    let k = Tensor<Float>.normal([batch, keyHeads, keys, width], using: &generator)
    let v = Tensor<Float>.normal([batch, keyHeads, keys, width], using: &generator)
    return (q, k, v, .normal(q.shape, using: &generator))
  }

  /// Expects output, row sums and gradients of `run` near the oracle's.
  func check(_ comment: String = "") {
    let (q, k, v, d) = operands()
    let oracle = AttentionOracle(q, k, v, options)
    let input = AttentionInput(queries: q, keys: k, values: v, layout: .headsFirst)
    let output = Tensor.attention(input, options)
    let expected = oracle.output()
    let text = "\(comment) \(q.shape) \(k.shape)"
    expectNear(output.value, expected.value, "output \(text)")
    for (found, wanted) in zip(output.logSumExp.elements, expected.logSumExp) {
      #expect(Double(found) == wanted || abs(Double(found) - wanted) < 1e-4, "log sum \(text)")
    }
    let gradients = Tensor.attentionGradients(d, input, output, options)
    let wanted = oracle.gradients(d.elements.map(Double.init))
    for (index, name) in ["dq", "dk", "dv"].enumerated() {
      expectNear(gradients[index], wanted[index], "\(name) \(text)")
    }
  }

  private func expectNear(_ found: Tensor<Float>, _ expected: [Double], _ text: String) {
    let largest = expected.map(abs).reduce(1, max)
    let numbers = found.elements.map(Double.init)
    expectClose(numbers, expected, absolute: 1e-5 * largest, text)
  }
}

@Suite struct TrainingAttentionTests {
  @Test(arguments: [1, 3, 8, 16, 33, 64, 65])
  func anyHeadWidth(width: Int) {
    for causal in [false, true] {
      var sample = Sample(width: width)
      sample.options.mask.isCausal = causal
      sample.check()
      sample.queries = 1
      sample.check()
      (sample.batch, sample.queries, sample.keys) = (1, 131, 150)
      sample.check()
    }
  }

  @Test(arguments: [(1, 1), (2, 2), (4, 2), (6, 1), (6, 3)])
  func groupedHeads(heads: Int, keyHeads: Int) {
    for (queries, keys) in [(1, 1), (5, 5), (70, 70), (33, 300), (140, 9)] {
      for mask in [AttentionMask.none, .causal] {
        var sample = Sample(heads: heads, keyHeads: keyHeads, queries: queries, keys: keys)
        sample.options.mask = mask
        sample.check("\(mask.isCausal)")
      }
    }
  }

  @Test(arguments: [1, 7, 128, 1000], [false, true])
  func windows(window: Int, causal: Bool) {
    for (queries, keys) in [(17, 17), (3, 200), (150, 150), (20, 5)] {
      var sample = Sample(batch: 1, heads: 2, keyHeads: 1, queries: queries, keys: keys, width: 8)
      sample.options.mask = AttentionMask(isCausal: causal, window: window)
      sample.check("window \(window)")
    }
  }

  @Test func keyLengths() {
    var sample = Sample(batch: 4, queries: 31, keys: 140, width: 8)
    sample.options.mask.keyLengths = [140, 0, 1, 77]
    sample.check()
    sample.options.mask.isCausal = true
    sample.check("causal")
  }

  @Test(arguments: [[1], [31, 45], [1, 31, 45], [3, 1, 45], [2, 1, 31, 45], [2, 3, 31, 45]])
  func masksBroadcast(extents: [Int]) {
    var generator = Philox(seed: 5)
    let shape = extents == [1] ? Shape([45]) : Shape(extents)
    let numbers = Tensor<Float>.normal(shape, using: &generator)
    let allowed = Tensor<Bool>(uninitialized: shape) { target in
      for (index, number) in numbers.elements.enumerated() { target[index] = number > -0.3 }
    }
    for pairs in [AttentionMask.Pairs.bias(numbers), .allowed(allowed)] {
      var sample = Sample(heads: 3, keyHeads: 3, queries: 31, keys: 45, width: 9)
      sample.options.mask.pairs = pairs
      sample.check()
      sample.options.mask.isCausal = true
      sample.options.softCap = 2
      sample.check("causal, capped")
    }
  }

  @Test func softCapsAndScales() {
    var sample = Sample(queries: 40, keys: 200)
    sample.options = AttentionOptions(scale: 0.7, softCap: 1.5)
    sample.check()
    sample.options.mask = .causal
    sample.check("causal")
  }

  @Test func rowsThatSeeNothingAreZero() {
    var sample = Sample(batch: 1, heads: 1, keyHeads: 1, queries: 3, keys: 4)
    let rows: [Bool] = [
      true, false, true, true, false, false, false, false, true, true, true, true,
    ]
    sample.options.mask.pairs = .allowed(Tensor(rows, shape: [3, 4]))
    sample.check()
    let (q, k, v, d) = sample.operands()
    let input = AttentionInput(queries: q, keys: k, values: v, layout: .headsFirst)
    let output = Tensor.attention(input, sample.options)
    #expect(output.value.elements[16..<32].allSatisfy { $0 == 0 })
    #expect(output.logSumExp.elements[1] == -.infinity)
    let gradients = Tensor.attentionGradients(d, input, output, sample.options)
    #expect(gradients[0].elements[16..<32].allSatisfy { $0 == 0 })
    #expect(gradients.flatMap(\.elements).allSatisfy { $0.isFinite })
  }

  @Test func noQueriesAndNoKeys() {
    Sample(queries: 0, keys: 5).check()
    Sample(queries: 4, keys: 0).check()
    Sample(batch: 0).check()
  }

  @Test func notANumberIsNotHidden() {
    let sample = Sample(batch: 1, heads: 1, keyHeads: 1, queries: 20, keys: 20)
    var (q, k, v, d) = sample.operands()
    q.withUnsafeMutableElements { $0[3 * 16 + 2] = .nan }
    let input = AttentionInput(queries: q, keys: k, values: v, layout: .headsFirst)
    let output = Tensor.attention(input, AttentionOptions(mask: .causal))
    for (row, element) in output.value.elements.enumerated() {
      #expect(element.isNaN == (row / 16 == 3))
    }
    let gradients = Tensor.attentionGradients(d, input, output, AttentionOptions(mask: .causal))
    #expect(gradients[0].elements[3 * 16..<4 * 16].allSatisfy { $0.isNaN })
    #expect(gradients[2].elements[0..<4 * 16].allSatisfy { $0.isNaN })
    v = .zeros(v.shape)
    d = .zeros(d.shape)
    k.withUnsafeMutableElements { $0.update(repeating: .nan) }
    q = .ones(q.shape)
    let lost = Tensor.attention(queries: q, keys: k, values: v)
    #expect(lost.elements.allSatisfy { $0.isNaN })
  }

  @Test func gradientsOfTheOracleAreItsDifferences() {
    var sample = Sample(batch: 1, heads: 2, keyHeads: 1, queries: 3, keys: 4, width: 2)
    sample.options = AttentionOptions(mask: .causal, softCap: 2)
    let (q, k, v, d) = sample.operands()
    let direction = d.elements.map(Double.init)
    let oracle = AttentionOracle(q, k, v, sample.options)
    func loss(_ oracle: AttentionOracle) -> Double {
      zip(oracle.output().value, direction).reduce(0) { $0 + $1.0 * $1.1 }
    }
    let places: [WritableKeyPath<AttentionOracle, [Double]>] = [\.queries, \.keys, \.values]
    for (place, gradient) in zip(places, oracle.gradients(direction)) {
      for index in gradient.indices {
        var (above, below) = (oracle, oracle)
        above[keyPath: place][index] += 1e-5
        below[keyPath: place][index] -= 1e-5
        #expect(abs((loss(above) - loss(below)) / 2e-5 - gradient[index]) < 1e-8)
      }
    }
  }
}
