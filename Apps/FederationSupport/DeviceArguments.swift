package import ArgumentParser
import Dispatch
package import Federated
import FederatedService
import Support
import Synchronization

#if canImport(FoundationEssentials)
  import FoundationEssentials
#else
  import Foundation
#endif

/// A device of a federation that `apus-federate serve` coordinates, or several.
package struct DeviceArguments: ParsableArguments {
  /// The help of a command that runs them, with examples of it as it is typed.
  package static func discussion(of command: String) -> String {
    """
    The device's key lies in a file, made at the first start; --public-key prints the line for the \
    server's list. Without a list, the token is taken from the variable APUS_FEDERATE_TOKEN. What is \
    learned must have the server's name and network (see --task).

    With --count many devices run in this process, each with a part of the data and a key of its own \
    beside the file; trials can make them fail: --kills is the probability that a device dies in a \
    task and comes back without memory, --delays that its result comes seconds late.

    EXAMPLES
      \(command) http://127.0.0.1:8080 mnist --name meter-17 --part 0 --of 10
      \(command) https://coordinator:8443 mnist --name hub --authority ca.pem
    """
  }

  @Argument(help: "The address of the server: http://host:port or https://host:port.")
  var server: String
  @OptionGroup(title: "Data") package var task: TaskArguments
  @Option(help: "The name of the device; with --count a number follows it.")
  var name = "device"
  @Option(help: ArgumentHelp("The key of the device.", valueName: "file"))
  var key = "device.key"
  @Flag(help: "Print the line for the server's list of devices and end.")
  var publicKey = false
  @Option(help: ArgumentHelp("The certificates to trust (PEM).", valueName: "file"))
  var authority: String?
  @Option(help: "Which part of the training data this device holds, from 0.")
  var part = 0
  @Option(help: "How many parts there are.")
  var of = 1
  @Option(help: "So many devices in this process, with the parts from --part on.")
  var count = 1
  @Option(help: "What the device says of itself: mcu, edge-s, gateway, phone or server.")
  var device = DeviceClass.gateway
  @Flag(help: "Tell the server which classes the device holds.")
  var tellClasses = false
  @Option(help: "The probability that a device dies in a task.")
  var kills = 0.0
  @Option(help: "The probability that a result comes late.")
  var delays = 0.0
  @Option(help: "How many seconds late.")
  var delaySeconds = 3.0
  @OptionGroup(title: "Machine") var machine: ThreadArguments

  package init() {}

  package func validate() throws {
    guard count > 0, of > 0, part >= 0, part + count <= of else {
      throw ValidationError("--part and --count must lie within --of")
    }
    guard (0...1).contains(kills), (0...1).contains(delays), delaySeconds >= 0 else {
      throw ValidationError(
        "--kills and --delays are probabilities, --delay-seconds is not negative"
      )
    }
  }

  /// Runs the devices until the federation ends, or prints the public key.
  ///
  /// - Parameter load: reads what is learned; nil for the networks of `TaskArguments`.
  /// - Throws: `CommandFailure`; what reading throws.
  package func run(load: ((TaskArguments) throws -> any FederatedTask)? = nil) throws {
    machine.apply()
    do {
      if publicKey {
        let identity = try DeviceIdentity.loadOrCreate(path: key)
        try StandardStream.output.writeLine("\(name) \(identity.publicKey)")
        return
      }
      let task = try load?(task) ?? task.load()
      let trials = try (0..<count).map { try trial($0, task) }
      try wait(for: trials)
    } catch let error as ServiceError {
      throw CommandFailure("\(error)")
    }
  }

  private func trial(_ index: Int, _ task: any FederatedTask) throws -> DeviceTrial {
    let suffix = count > 1 ? "-\(index)" : ""
    let name = name + suffix
    let first = (part + index) * task.trainingCount / of
    let end = (part + index + 1) * task.trainingCount / of
    return DeviceTrial(
      name: name,
      identity: try DeviceIdentity.loadOrCreate(path: key + suffix),
      transport: try HTTPServiceTransport(address: server, authority: authority),
      work: ServiceDevice.Work(
        task: task,
        examples: (first..<end).map { Int32($0) },
        profile: device.profile,
        deviceClass: device.rawValue,
        tellsClasses: tellClasses
      ),
      token: ProcessInfo.processInfo.environment["APUS_FEDERATE_TOKEN"],
      faults: DeviceTrial.Faults(kills: kills, delays: delays, delaySeconds: delaySeconds),
      isQuiet: count > 1
    )
  }

  /// Runs the devices; Ctrl-C makes them leave.
  private func wait(for trials: [DeviceTrial]) throws {
    let ended = DispatchSemaphore(value: 0)
    let failure = FirstFailure()
    let running = trials.map { trial in
      Task {
        do { try await trial.run() } catch { failure.set(error) }
        ended.signal()
      }
    }
    var open = running.count
    while open > 0 {
      if ended.wait(timeout: .now() + .milliseconds(200)) == .success { open -= 1 }
      if Cancellation.isRequested { running.forEach { $0.cancel() } }
    }
    try Cancellation.check()
    if let error = failure.error { throw error }
  }
}

/// The first error of several tasks.
private final class FirstFailure: Sendable {
  private let value = Mutex<(any Error)?>(nil)
  var error: (any Error)? { value.withLock { $0 } }
  func set(_ error: any Error) { value.withLock { $0 = $0 ?? error } }
}
