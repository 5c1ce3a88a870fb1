import Autograd
import Foundation
import PointCloud
import Tensor
import TestSupport
import Testing

/// Every number of channels up to two panels and their tails, by the definition in Double.
func checkSparseChannels() throws {
  let sites = try randomSites(260, extent: 4, seed: 3)
  let oracle = SparseOracle.submanifold(sites, kernelSize: 3)
  let map = sites.submanifoldMap(kernelSize: 3)
  var generator = Philox(seed: 4)
  for (inputs, outputs) in [
    (1, 1), (3, 2), (1, 33), (33, 1), (4, 6), (5, 7), (7, 9), (12, 12), (13, 15), (16, 16),
    (17, 20), (24, 31), (33, 33), (48, 35), (64, 66), (70, 130),
  ] {
    let x = Tensor<Float>.normal([sites.count, inputs], using: &generator)
    let weight = Tensor<Float>.normal([27, inputs, outputs], using: &generator)
    let bias = Tensor<Float>.normal([outputs], using: &generator)
    let gradient = Tensor<Float>.normal([sites.count, outputs], using: &generator)
    let leaves = [x, weight, bias].map { Variable(following: $0) }
    let y = sparseConvolution(leaves[0], weight: leaves[1], bias: leaves[2], map: map)
    y.backward(from: gradient)
    let doubles = [x, weight, bias, gradient].map { $0.converted(to: Double.self) }
    let (wide, name) = (sites.count, "\(inputs) to \(outputs) channels")
    let expected = oracle.convolve(doubles[0], doubles[1], doubles[2], rows: wide)
    expectClose(y.value, expected, 3e-6, name)
    let turned = doubles[1].permuted(0, 2, 1)
    let back = oracle.convolve(doubles[3], turned, nil, rows: wide, inverse: true)
    expectClose(try #require(leaves[0].gradient), back, 3e-6, name + ", gradient of x")
    let weights = oracle.weightGradient(doubles[0], doubles[3])
    expectClose(try #require(leaves[1].gradient), weights, 3e-6, name + ", gradient of the weight")
    let all = doubles[3].elements
    let sums = (0..<outputs).map { channel in
      stride(from: channel, to: all.count, by: outputs).reduce(0) { $0 + all[$1] }
    }
    expectClose(try #require(leaves[2].gradient), Tensor(sums), 3e-6, name + ", bias")
  }
}

/// Expects every element within `tolerance` of the largest.
private func expectClose(
  _ found: Tensor<Float>,
  _ expected: Tensor<Double>,
  _ tolerance: Double,
  _ comment: String
) {
  let largest = expected.elements.map(abs).max() ?? 0
  #expect(found.shape == expected.shape)
  TestSupport.expectClose(
    found.elements.map(Double.init),
    expected.elements,
    absolute: tolerance * max(largest, 1e-3),
    comment
  )
}

extension SparseOracle {
  /// dW[k] = Σ x[in]ᵀ · dy[out].
  func weightGradient(_ x: Tensor<Double>, _ gradient: Tensor<Double>) -> Tensor<Double> {
    let (inputs, outputs) = (x.shape[1], gradient.shape[1])
    let volume = (pairs.map(\.0).max() ?? -1) + 1
    let (a, g) = (x.elements, gradient.elements)
    var sums = [Double](repeating: 0, count: volume * inputs * outputs)
    for (k, input, output) in pairs {
      for i in 0..<inputs {
        for j in 0..<outputs {
          sums[(k * inputs + i) * outputs + j] += a[input * inputs + i] * g[output * outputs + j]
        }
      }
    }
    return Tensor(sums, shape: [volume, inputs, outputs])
  }
}

@Suite struct SparseConvolutionTests {
  @Test func agreesWithTheDefinitionForAllChannels() throws { try checkSparseChannels() }

  @Test(.timeLimit(.minutes(10)))
  func agreesWithTheDefinitionOnTheBaseline() async {
    await #expect(processExitsWith: .success) {
      setenv("APUS_KERNELS", "baseline", 1)
      #expect(["baseline", "neon"].contains(WorkPool.instructionSet))
      try checkSparseChannels()
    }
  }

  @Test(arguments: [1, 3, 5, 7]) func mapsHoldAllNeighbours(kernelSize: Int) throws {
    for (count, extent) in [(1, 1), (40, 2), (600, 5), (3000, 40)] {
      let sites = try randomSites(count, extent: Int32(extent), seed: UInt64(count))
      let map = sites.submanifoldMap(kernelSize: kernelSize)
      let oracle = SparseOracle.submanifold(sites, kernelSize: kernelSize)
      #expect(map.triples == oracle.triples, "\(count) sites within \(extent)")
      #expect(map.pairCount == oracle.pairs.count)
    }
  }

  @Test(arguments: [2, 3]) func stridedMapsHoldAllParents(kernelSize: Int) throws {
    for (count, extent) in [(1, 1), (40, 2), (600, 5), (3000, 40)] {
      let sites = try randomSites(count, extent: Int32(extent), seed: UInt64(count) + 9)
      let (coarse, map) = sites.strided(kernelSize: kernelSize)
      let (oracle, expected) = SparseOracle.strided(sites, kernelSize: kernelSize)
      #expect(coarse.coordinates.elements.map { Int($0) } == expected.flatMap { $0 })
      #expect(map.triples == oracle.triples, "\(count) sites within \(extent)")
      #expect(coarse === sites.strided(kernelSize: kernelSize).sites, "maps are kept")
    }
  }

  @Test(arguments: [3, 5]) func gradientsOfSubmanifoldConvolutions(kernelSize: Int) throws {
    let sites = try randomSites(24, extent: 2, seed: 21)
    let map = sites.submanifoldMap(kernelSize: kernelSize)
    let oracle = SparseOracle.submanifold(sites, kernelSize: kernelSize)
    let volume = kernelSize * kernelSize * kernelSize
    let shapes: [Shape] = [[sites.count, 2], [volume, 2, 3], [3]]
    GradientCheck()("submanifold", shapes) {
      sparseConvolution($0[0], weight: $0[1], bias: $0[2], map: map)
    } oracle: {
      oracle.convolve($0[0], $0[1], $0[2], rows: sites.count)
    }
  }

  @Test(arguments: [2, 3], [SparseDirection.forward, .inverse])
  func gradientsOfStridedConvolutions(kernelSize: Int, direction: SparseDirection) throws {
    let sites = try randomSites(30, extent: 3, seed: 22)
    let (coarse, map) = sites.strided(kernelSize: kernelSize)
    let (oracle, _) = SparseOracle.strided(sites, kernelSize: kernelSize)
    let isInverse = direction == .inverse
    let counts = isInverse ? (coarse.count, sites.count) : (sites.count, coarse.count)
    let volume = kernelSize * kernelSize * kernelSize
    let shapes: [Shape] = [[counts.0, 3], [volume, 3, 2], [2]]
    GradientCheck()("strided, \(direction)", shapes) {
      sparseConvolution($0[0], weight: $0[1], bias: $0[2], map: map, direction: direction)
    } oracle: {
      oracle.convolve($0[0], $0[1], $0[2], rows: counts.1, inverse: isInverse)
    }
  }

  @Test func noSitesGiveNoRows() throws {
    let sites = try SparseSites(coordinates: Tensor<Int32>.zeros([0, 4]))
    var generator = Philox(seed: 1)
    let options = SparseConvolutionOptions(inputChannels: 3, outputChannels: 5, kernelSize: 3)
    let weight = SubmanifoldConvolution(options, using: &generator)
    let x = Variable(following: .zeros([0, 3]))
    let y = weight(SparseTensor(sites: sites, features: x)).features
    #expect(y.shape == [0, 5])
    y.backward(from: .zeros([0, 5]))
    #expect(weight.weight.gradient == .zeros([27, 3, 5]))
    #expect(sites.strided(kernelSize: 2).sites.count == 0)
    #expect(sites.strided(kernelSize: 3).sites.count == 0)
  }

  @Test func oneSiteMeetsItselfAlone() throws {
    let sites = try SparseSites(coordinates: Tensor([0, -1, 5, -7], shape: [1, 4]))
    #expect(sites.submanifoldMap(kernelSize: 3).triples == [13, 0, 0])
    let (coarse, map) = sites.strided(kernelSize: 2)
    #expect(coarse.coordinates.elements == [0, -1, 2, -4])
    // The odd coordinates −1, 5, −7 are the upper children of −1, 2, −4.
    #expect(map.triples == [7, 0, 0])
  }

  @Test func sitesOutOfOrderOrRangeAreRefused() {
    func sites(_ cells: [Int32]) throws -> SparseSites {
      try SparseSites(coordinates: Tensor(cells, shape: [cells.count / 4, 4]))
    }
    let disorder = VoxelError.notAscending(
      row: 1,
      coordinates: [0, 1, 1, 0],
      previous: [0, 1, 1, 1]
    )
    #expect(throws: disorder) { try sites([0, 1, 1, 1, 0, 1, 1, 0]) }
    #expect(throws: VoxelError.self) { try sites([0, 1, 1, 1, 0, 1, 1, 1]) }
    #expect(throws: VoxelError.invalidBatch(row: 0, batch: 1024, limits: 0...1023)) {
      try sites([1024, 0, 0, 0])
    }
    #expect(throws: VoxelError.self) { try sites([0, 0, 0, 131_072]) }
    #expect(throws: Never.self) { try sites([1023, -131_064, 131_063, 0]) }
  }

  @Test func neighboursDoNotReachAcrossScansOrBorders() throws {
    let (low, high) = (Int32(-131_064), Int32(131_063))
    let rows: [[Int32]] = [
      [0, low, low, high], [0, low, high, low], [0, high, low, low], [0, high, high, high],
      [1, low, low, low], [1, low, low + 1, high],
    ]
    let sites = try SparseSites(coordinates: Tensor(rows.flatMap { $0 }, shape: [6, 4]))
    for size in [3, 5, 11] { #expect(sites.submanifoldMap(kernelSize: size).pairCount == 6) }
  }

  @Test(.timeLimit(.minutes(10)))
  func resultsDoNotDependOnTheThreadCount() async {
    await #expect(processExitsWith: .success) {
      WorkPool.threadCount = 1
      let expected = try trainedParameters()
      for threads in [2, 3] {
        WorkPool.threadCount = threads
        #expect(try trainedParameters() == expected, "\(threads) threads")
      }
    }
  }
}

/// The parameters of a small network after two steps, and its logits.
private func trainedParameters() throws -> [[Float]] {
  let sites = try randomSites(6000, extent: 14, seed: 31)
  var generator = Philox(seed: 32)
  let configuration = SparseUNetConfiguration.tiny(inputWidth: 3, classCount: 5)
  let network = SparseUNet(configuration, using: &generator)
  let features = Tensor<Float>.normal([sites.count, 3], using: &generator)
  let labels = Tensor<Int32>.integers([sites.count], in: 0..<5, using: &generator)
  let optimizer = Adam([ParameterGroup(network.parameters())], learningRate: 1e-3)
  let input = SparseTensor(sites: sites, features: Variable(features))
  for _ in 0..<2 {
    crossEntropy(logits: network(input), targets: labels).backward()
    optimizer.step()
    network.clearGradients()
  }
  return network.parameters().map(\.value.elements) + [network(input).value.elements]
}
