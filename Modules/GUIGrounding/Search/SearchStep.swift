import Foundation
import Tensor

/// One stage of a search: a view, its responses, their votes.
struct SearchStep {
  let search: SpatialSearch
  let stage: Int
  let region: PixelRect
  let earlier: [SearchStage]

  nonisolated(nonsending) func run(
    _ policy: some GroundingPolicy,
    image: RGBImage,
    instruction: String
  ) async throws -> SearchStage {
    let clock = ContinuousClock()
    let start = clock.now
    let view = policy.viewSize(for: region.size)
    guard view.width > 0, view.height > 0 else {
      throw SearchError.emptyView(policy: policy.name, region: region.size, view: view)
    }
    let transform = ViewTransform(imageSize: image.size, crop: region, view: view)
    let request = GroundingRequest(image: image.view(transform), instruction: instruction)
    var cost = InferenceCost()
    let samples = try await draw(policy, request, &cost)
    var done = vote(samples, transform)
    cost.calls = samples.count
    cost.tokens = samples.reduce(0) { $0 + ($1.tokenCount ?? 0) }
    let elapsed = (clock.now - start).components
    cost.seconds = Double(elapsed.seconds) + Double(elapsed.attoseconds) * 1e-18
    done.cost = cost
    return done
  }

  /// N responses, in as many requests as the policy needs.
  private nonisolated(nonsending) func draw(
    _ policy: some GroundingPolicy,
    _ request: GroundingRequest,
    _ cost: inout InferenceCost
  ) async throws -> [GroundingSample] {
    var samples: [GroundingSample] = []
    while samples.count < search.samplesPerStage, cost.requests < search.maximumRequests {
      try Task.checkCancellation()
      var options = search.sampling
      options.seed = seed(request: cost.requests)
      let missing = search.samplesPerStage - samples.count
      let new = try await policy.sample(request, count: missing, options: options)
      cost.requests += 1
      samples += new.prefix(missing)
    }
    guard !samples.isEmpty else {
      throw SearchError.noSamples(policy: policy.name, requests: cost.requests)
    }
    return samples
  }

  /// The seed of a request: the search's own for the first, others that differ from it and from
  /// each other, below 2³¹ as servers want them.
  private func seed(request: Int) -> UInt64? {
    guard let seed = search.sampling.seed, stage > 0 || request > 0 else {
      return search.sampling.seed
    }
    var generator = Philox(seed: seed).fork(stage).fork(request)
    return generator.next() >> 33
  }

  private func vote(_ samples: [GroundingSample], _ transform: ViewTransform) -> SearchStage {
    var done = SearchStage(
      region: region,
      view: transform.view,
      samples: samples,
      votes: [],
      unparsedCount: 0,
      outsideCount: 0,
      bandwidth: 0,
      kernel: nil,
      consensus: 0,
      point: earlier.last?.point,
      cost: InferenceCost()
    )
    for (index, sample) in samples.enumerated() {
      guard let point = sample.point, point.isFinite else {
        done.unparsedCount += 1
        continue
      }
      guard let inside = insidePoint(point, transform.view) else {
        done.outsideCount += 1
        continue
      }
      let place = transform.toImage(inside)
      done.votes.append(
        SearchVote(sample: index, stage: stage, point: place, weight: 0, density: 0)
      )
    }
    // Earlier votes sharpen an answer; they do not stand in for one.
    guard !done.votes.isEmpty else { return done }
    if search.includesEarlierVotes {
      // Each stage lists its own votes and those before it.
      let own = earlier.enumerated().flatMap { index, stage in
        stage.votes.filter { $0.stage == index }
      }
      done.votes = own + done.votes
    }
    decide(&done)
    return done
  }

  /// The point, moved to the border if it lies a little outside the view; nil if it lies far off.
  private func insidePoint(_ point: GroundingPoint, _ view: PixelSize) -> GroundingPoint? {
    let clamped = point.clamped(to: view)
    let isNear =
      abs(point.x - clamped.x) <= search.outsideTolerance * Double(view.width)
      && abs(point.y - clamped.y) <= search.outsideTolerance * Double(view.height)
    return isNear ? clamped : nil
  }

  /// The answer of a stage that has votes.
  private func decide(_ done: inout SearchStage) {
    let stages = earlier.map(\.samples) + [done.samples]
    let weights = search.weighting.weights(done.votes.map { stages[$0.stage][$0.sample] })
    let density = KernelDensity(
      points: done.votes.map(\.point),
      weights: weights,
      bandwidth: search.bandwidth,
      side: Double(region.size.longerSide)
    )
    let answer = search.aggregation(density)
    done.point = answer
    done.kernel = density.kernel
    done.bandwidth = density.kernel.deviation
    done.consensus = 0
    for index in done.votes.indices {
      done.votes[index].weight = density.weights[index]
      done.votes[index].density = density.density(at: density.points[index])
      if density.points[index].distance(to: answer) <= done.bandwidth {
        done.consensus += density.weights[index]
      }
    }
  }
}
