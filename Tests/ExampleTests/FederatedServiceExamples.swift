import Federated
import FederatedService
import TestSupport
import Testing

/// The code of the page of the module FederatedService.
@Suite(.timeLimit(.minutes(10))) struct FederatedServiceExamples {
  @Test func aCoordinatorAndADevice() async {
    await #expect(processExitsWith: .success) {
      await inFreshFolder {
        let task = try SmallFederation.task()
        let rounds = try await onThread {
          var configuration = CoordinatorConfiguration(seed: 1)
          configuration.roundCount = 2
          configuration.deviceCount = 1  // rounds begin when so many are there
          configuration.rounds.minimumReports = 1
          let coordinator = try FederatedCoordinator(
            task,
            configuration,
            folder: "federation",
            admission: .open(token: nil),
            log: { print($0) }
          )
          let device = try ServiceDevice(
            "meter-17",
            try .loadOrCreate(path: "meter-17.key"),
            InProcessTransport(coordinator),
            ServiceDevice.Work(
              task: task,
              examples: [0, 1, 2],
              profile: DeviceClass.gateway.profile,
              deviceClass: "gateway"
            )
          )
          Task { try await device.run() }
          try coordinator.run()  // on this thread
          return coordinator.reports
        }
        #expect(rounds.map(\.round) == [0, 1] && rounds.allSatisfy { $0.reported == 1 })
        #expect(try DeviceIdentity.loadOrCreate(path: "meter-17.key").publicKey.count > 0)
      }
    }
  }
}
