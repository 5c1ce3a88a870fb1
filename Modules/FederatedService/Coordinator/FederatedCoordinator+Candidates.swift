import Federated
import Tensor

extension FederatedCoordinator {
  /// The devices as the engine sees them, without those that no plan fits, and what is new about them.
  func candidates(
    _ present: [RegisteredDevice],
    _ state: inout CoordinatorState
  ) -> ([RoundCandidate], [CoordinatorEvent]) {
    let limit = exampleLimit(present)
    var (candidates, events): ([RoundCandidate], [CoordinatorEvent]) = ([], [])
    for device in present {
      guard let plan = plan(of: device, &state) else {
        let reason = state.schedules[device.client]?.reason ?? "no plan fits"
        if state.reasons.updateValue(reason, forKey: device.client) != reason {
          events.append(.unplanned(device: device.name, reason: reason))
        }
        continue
      }
      let count = device.registration.exampleCount
      if count > limit, state.clipped.updateValue(count, forKey: device.client) != count {
        events.append(.clipped(device: device.name, exampleCount: count, limit: limit))
      }
      candidates.append(candidate(device, plan, exampleCount: min(count, limit)))
    }
    return (candidates, events)
  }

  /// How many examples of a device count, given the devices that are there.
  private func exampleLimit(_ present: [RegisteredDevice]) -> Int {
    let counts = present.map(\.registration.exampleCount).sorted()
    guard let factor = configuration.exampleFactor, !counts.isEmpty else {
      return configuration.exampleLimit
    }
    // The lower one of two in the middle: one device of two does not make the limit of its own.
    let median = Double(counts[(counts.count - 1) / 2])
    return Int(min(factor * median, Double(configuration.exampleLimit)))
  }

  private func candidate(
    _ device: RegisteredDevice,
    _ plan: DevicePlan,
    exampleCount: Int
  ) -> RoundCandidate {
    let registration = device.registration
    return RoundCandidate(
      client: device.client,
      exampleCount: exampleCount,
      plan: plan,
      classes: configuration.aggregation.masksHead ? registration.classes : nil,
      expectedSeconds: DeviceCost(task.model, plan: plan).seconds(
        on: registration.profile,
        exampleCount: registration.exampleCount,
        epochs: configuration.training.epochs
      )
    )
  }

  private func plan(of device: RegisteredDevice, _ state: inout CoordinatorState) -> DevicePlan? {
    switch configuration.planning {
    case .fixed(let plans): return plans[device.client % plans.count]
    case .resampled(let plans):
      let round = state.engine.state.round
      var draws = Philox(seed: configuration.seed).fork(-1).fork(round).fork(device.client)
      return plans[draws.integer(below: plans.count)]
    case .planned:
      return state.schedules[device.client, default: PlanSchedule()].next(
        planner,
        profile: device.registration.profile,
        exampleCount: device.registration.exampleCount
      )
    }
  }
}
