import Federated
import TestSupport
import Testing

/// The code of the page of the module Federated.
@Suite struct FederatedExamples {
  @Test func aFederationOnOneMachine() async {
    await #expect(processExitsWith: .success) {
      await inFreshFolder {
        try SmallFederation.write(to: "mnist")
        let deviceCount = 10
        var configuration = SimulationConfiguration()
        configuration.deviceCount = deviceCount  // 1000 are no more memory than 10
        configuration.partition = .dirichlet(alpha: 0.5)
        configuration.rounds.fraction = 0.1
        configuration.planning = .fixed([.full, .slice(Rate(1, of: 2)), .slice(Rate(1, of: 4))])
        let task = try ImageTask(name: "mnist", folder: "mnist", ImageTask.Configuration())
        let report = try FederatedSimulation(task, configuration, seed: 1).run()
        print(report.finalAccuracy ?? 0, report.uplinkBytes)
        #expect(report.devices.count == 10 && report.rounds.count == 20)
        #expect(report.finalAccuracy ?? 0 > 0.9, "\(report.finalAccuracy ?? 0)")
        // Two thirds of the devices send slices.
        #expect(report.uplinkBytes < 20 * 2 * 4 * report.parameterCount)
      }
    }
  }
}
