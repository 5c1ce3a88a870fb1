import ArgumentParser
import Checkpoints
import Federated
import FederatedService
import FederationSupport
import Foundation
import Support

/// `serve`: a coordinator on the network.
struct ServeCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "serve",
    abstract: "Coordinate devices over HTTP, without Python.",
    discussion: """
      Devices register with a key of their own, fetch tasks and send results; see 'device'. Who may \
      take part is said by --devices (names and public keys, a line each), or by --open, with a token \
      from the variable APUS_FEDERATE_TOKEN where there is one; to shut a device out, take its line from \
      the list and start the server again. The folder belongs to one federation and one server at a time. \
      After each round the state is written; \
      a server that was killed goes on with the same command. At the end the model \
      (model.safetensors) and the report (report.json) lie in the folder, with --base also the tuned \
      step sizes as an adapter (adapter.safetensors).

      EXAMPLES
        apus-federate serve mnist --open --wait-for 2 --rounds 20 --output federation
        apus-federate serve mnist --devices devices.txt --certificate server.pem --key server.key \\
          --host 0.0.0.0 --port 8443 --strategy planned --deadline 120 --output federation
      """
  )

  @OptionGroup(title: "Data") var task: TaskArguments
  @OptionGroup(title: "Base") var base: BaseArguments
  @Option(help: "The address to listen at.")
  var host = "127.0.0.1"
  @Option(help: "The port; 0 takes a free one, which is printed.")
  var port = 8080
  @Option(help: ArgumentHelp("The server's certificates (PEM), for TLS.", valueName: "file"))
  var certificate: String?
  @Option(help: ArgumentHelp("The key of the certificate (PEM).", valueName: "file"))
  var key: String?
  @Option(help: ArgumentHelp("The devices that may take part.", valueName: "file"))
  var devices: String?
  @Flag(help: "Any device may take part, or any that knows APUS_FEDERATE_TOKEN.")
  var open = false
  @Option(help: "The most examples that a device may claim, by which its result weighs.")
  var exampleLimit = 1_000_000
  @Option(help: "The same as a multiple of what the median device claims; none by default.")
  var exampleFactor: Double?
  @Option(help: "The largest norm of an update that is accepted; by default what is usual decides.")
  var normLimit: Double?
  @Option(help: "The first round begins when so many devices are there.")
  var waitFor = 2
  @Option(help: "A device shows itself every so many seconds; two missed signs lose its task.")
  var heartbeat = 30.0
  @OptionGroup(title: "Plans") var plan: PlanArguments
  @OptionGroup(title: "Rounds") var rounds: RoundArguments
  @Option(help: "Measure on the test set every so many rounds.")
  var testInterval = 1
  @Option(help: "The seed of the first model and of all draws.")
  var seed: UInt64 = 1
  @Option(name: .shortAndLong, help: ArgumentHelp("Where the state is kept.", valueName: "folder"))
  var output: String
  @OptionGroup(title: "Machine") var machine: ThreadArguments

  func validate() throws {
    guard open != (devices != nil) else { throw ValidationError("give --devices or --open") }
    guard (certificate == nil) == (key == nil) else {
      throw ValidationError("--certificate and --key belong together")
    }
    guard (0...65_535).contains(port) else { throw ValidationError("--port is 0 to 65535") }
    if let fault = settings.fault { throw ValidationError(fault) }
  }

  private var settings: CoordinatorConfiguration {
    var simulated = SimulationConfiguration()
    // Shares and noise count from the devices that are there at least.
    simulated.deviceCount = waitFor
    rounds.apply(to: &simulated)
    var settings = CoordinatorConfiguration(seed: seed)
    settings.roundCount = simulated.roundCount
    settings.deviceCount = waitFor
    settings.planning = plan.planning
    settings.training = simulated.training
    settings.rounds = simulated.rounds
    settings.rounds.heartbeatSeconds = heartbeat
    settings.aggregation = simulated.aggregation
    settings.testInterval = testInterval
    settings.exampleLimit = exampleLimit
    settings.exampleFactor = exampleFactor
    settings.updateNormLimit = normLimit
    return settings
  }

  func run() throws {
    machine.apply()
    do {
      let admission: DeviceAdmission
      if let devices {
        admission = try .enrolled(path: devices)
      } else {
        admission = .open(token: ProcessInfo.processInfo.environment["APUS_FEDERATE_TOKEN"])
      }
      let coordinator = try FederatedCoordinator(
        try base.load(task),
        settings,
        folder: output,
        admission: admission,
        log: { try? StandardStream.error.writeLine("\($0)") }
      )
      try serve(coordinator)
      try leave(coordinator)
    } catch let error as ServiceError {
      throw CommandFailure("\(error)")
    }
  }

  /// The server on the threads of the network, the rounds on this one.
  private func serve(_ coordinator: FederatedCoordinator) throws {
    let server = CoordinatorServer(
      coordinator: coordinator,
      host: host,
      port: port,
      identity: certificate.flatMap { certificate in key.map { (certificate, $0) } }
    )
    let scheme = certificate == nil ? "http" : "https"
    let name = host
    let serving = BackgroundWork {
      try await server.run { port in
        try? StandardStream.error.writeLine("listening at \(scheme)://\(name):\(port)")
      }
    }
    defer {
      serving.cancel()
      _ = serving.hasEnded(within: 5)
    }
    try coordinator.run { Cancellation.isRequested || serving.error != nil }
    if let error = serving.error {
      throw error as? CommandFailure ?? CommandFailure("the server cannot listen: \(error)")
    }
    try Cancellation.check("the same command goes on with the round that was under way")
  }

  private func leave(_ coordinator: FederatedCoordinator) throws {
    let name = URL(fileURLWithPath: output).lastPathComponent
    let report = coordinator.report(name: name)
    try base.write(
      coordinator.model,
      rounds: report.rounds.count,
      task: name,
      to: output + "/adapter.safetensors"
    )
    try SafetensorsFile.write(coordinator.model.dictionary, to: output + "/model.safetensors")
    try AtomicFile.write(try jsonText(report) + "\n", to: output + "/report.json")
    try StandardStream.output.writeLine(
      RunTable(report).text(width: StandardStream.output.columnCount)
    )
  }
}
