import Checkpoints
import Foundation
import GUIGrounding
import Tensor
import TestSupport
import Testing

extension GUIGroundingConformance {
  @Test(arguments: tensorFixtures("kde-"))
  func densitiesAgree(_ name: String) throws {
    let fixture = try DensityFixture(name)
    let rules: [(String, VoteBandwidth, weighted: Bool)] = [
      ("scipy_scott", .scott, false), ("scipy_silverman", .silverman, false),
      ("scipy_0.5", .covariance(factor: 0.5), false), ("scipy_scott_weighted", .scott, true),
      ("iso_8", .pixels(8), false), ("iso_25", .pixels(25), false),
    ]
    for (key, rule, weighted) in rules {
      let density = fixture.density(rule, weighted)
      let expected = fixture[key + "_logdensity"]
      try #require(expected.count == fixture.queries.count)
      let found = fixture.queries.map(density.logDensity)
      let near = expected.indices.filter { expected[$0] > -100 }
      expectClose(near.map { found[$0] }, near.map { expected[$0] }, absolute: 1e-4, name + key)
      for far in expected.indices where expected[far] <= -100 { #expect(found[far] < -99) }
      if let peak = fixture.example[key + "_argmax"]?.intValue {
        #expect(density.peakIndex == peak, "\(name) \(key)")
      }
      if !fixture[key + "_cov"].isEmpty {
        let kernel = density.kernel
        let matrix = [kernel.xx, kernel.xy, kernel.xy, kernel.yy]
        expectClose(matrix, fixture[key + "_cov"], relative: 1e-5, absolute: 1e-4, name + key)
      }
    }
  }

  @Test(arguments: tensorFixtures("kde-"))
  func modesAgree(_ name: String) throws {
    let fixture = try DensityFixture(name)
    for (key, width) in [("iso_8", 8.0), ("iso_25", 25.0)] {
      for (suffix, weighted) in [("", false), ("_weighted", true)] {
        let density = fixture.density(.pixels(width), weighted)
        let mode = fixture[key + suffix + "_mode"]
        try #require(mode.count == 2)
        let expected = GroundingPoint(x: mode[0], y: mode[1])
        expectClose(density.mode, expected, absolute: 2e-3, name + key + suffix)
        let peak = try fixture.example.int(key + suffix + "_argmax")
        #expect(density.peakIndex == peak, "\(name) \(key)\(suffix)")
        let sample = VoteAggregation.kdePeakSample(density)
        #expect(sample == fixture.points[peak])
      }
      let height = fixture.density(.pixels(width), false)
      let expected = try fixture.example.double(key + "_mode_density")
      expectClose([height.density(at: height.mode)], [expected], relative: 1e-4, name + key)
    }
    let uniform = fixture.density(.pixels(8), false)
    for (aggregation, key) in [(VoteAggregation.mean, "mean"), (.median, "median")] {
      let expected = fixture[key]
      try #require(expected.count == 2)
      let point = GroundingPoint(x: expected[0], y: expected[1])
      expectClose(aggregation(uniform), point, absolute: 1e-4, "\(name) \(key)")
    }
  }

  @Test func degenerateVotesHaveModes() throws {
    let cases = try JSONValue.cases("kde-degenerate.json")
    try #require(!cases.isEmpty)
    for example in cases {
      let points = try example.list("points").map { try $0.point() }
      let bandwidth = VoteBandwidth.pixels(try example.double("h"))
      let density = KernelDensity(points: points, bandwidth: bandwidth, side: 1000)
      #expect(try density.peakIndex == example.int("argmax"), "\(example)")
      let mode = try #require(example["mode"]).point()
      expectClose(density.mode, mode, absolute: 1e-4, "\(example)")
      // Where scipy finds no inverse, a width relative to the region steps in.
      let isSingular = try example.string("scipy") != "ok"
      if isSingular {
        let scott = KernelDensity(points: points, bandwidth: .scott, side: 1000)
        #expect(scott.kernel == VoteKernel(deviation: 20), "\(example)")
      }
    }
  }
}

private struct DensityFixture {
  let example: JSONValue
  private let tensors: [String: [Double]]

  init(_ name: String) throws {
    let file = try Checkpoint(path: Fixtures.file("gui/" + name))
    example = try JSONValue.parse(try #require(file.metadata["case"]))
    var tensors: [String: [Double]] = [:]
    for name in file.names {
      tensors[name] = try file.tensor(named: name).elements.map(Double.init)
    }
    self.tensors = tensors
  }

  subscript(name: String) -> [Double] { tensors[name] ?? [] }

  var points: [GroundingPoint] { places("points") }
  var queries: [GroundingPoint] { places("queries") }

  func density(_ bandwidth: VoteBandwidth, _ weighted: Bool) -> KernelDensity {
    let weights = weighted ? self["weights"] : nil
    return KernelDensity(points: points, weights: weights, bandwidth: bandwidth, side: 1000)
  }

  private func places(_ name: String) -> [GroundingPoint] {
    let numbers = self[name]
    return stride(from: 0, to: numbers.count, by: 2).map { index in
      GroundingPoint(x: numbers[index], y: numbers[index + 1])
    }
  }
}
