import ArgumentParser
import Dispatch
import Federated
import FederatedFlower
import FederationSupport
import Support
import Synchronization
import Tensor

/// `node`: a device in a federation of Flower.
struct NodeCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "node",
    abstract: "Take part in a federation of a Flower server (SuperLink 1.40 or later).",
    discussion: """
      The server may use any strategy of Flower with the arrays of this model. With --rate the device \
      trains a narrower model and answers in full shape. Ctrl-C leaves the federation after the reply \
      that is being made.

      The key file names the device: it is made where there is none. Where the operator admits \
      devices, print its public half with --public-key, register that, and run with --registered.

      EXAMPLES
        apus-federate node http://127.0.0.1:8000 mnist --key node-0.pem --part 0 --of 10
        apus-federate node https://superlink:8000 mnist --authority ca.pem --registered --rate 1/4
        apus-federate node http://127.0.0.1:8000 letters.txt --base small-4bit --learning-rate 1e-3
      """
  )

  @Argument(help: "The address of the server: http://host:port or https://host:port.")
  var server: String
  @OptionGroup(title: "Data") var task: TaskArguments
  @OptionGroup(title: "Base") var base: BaseArguments
  @Option(help: "Which part of the training data this device holds, from 0.")
  var part = 0
  @Option(help: "How many parts there are.")
  var of = 1
  @Option(help: ArgumentHelp("The certificates to trust (PEM).", valueName: "file"))
  var authority: String?
  @Option(help: ArgumentHelp("The key of the device.", valueName: "file"))
  var key = "node.pem"
  @Option(help: ArgumentHelp("Where unfinished work is remembered.", valueName: "file"))
  var journal: String?
  @Flag(help: "The operator registers the public key; the device does not register itself.")
  var registered = false
  @Flag(help: "Print the public key in OpenSSH's form and end.")
  var publicKey = false
  @Option(help: "What the device says of itself: mcu, edge-s, gateway, phone or server.")
  var device = DeviceClass.gateway
  @Option(help: "The width that the device trains, such as 1/4.")
  var rate = Rate.one
  @Option(help: "The passes over the examples.")
  var epochs = 1
  @Option(help: "The examples of a batch.")
  var batch = 32
  @Option(help: "The learning rate.")
  var learningRate: Float = 0.05
  @Option(help: "The largest norm of a step's gradients; none by default.")
  var clip: Float?
  @Option(help: "The seed of the order of the examples.")
  var seed: UInt64 = 1
  @OptionGroup(title: "Machine") var machine: ThreadArguments

  func validate() throws {
    guard of > 0, (0..<of).contains(part) else {
      throw ValidationError("--part must be below --of")
    }
    if let fault = training.fault { throw ValidationError(fault) }
  }

  private var training: LocalTrainingSettings {
    var settings = LocalTrainingSettings()
    settings.epochs = epochs
    settings.batchSize = batch
    settings.learningRate = learningRate
    settings.gradientNorm = clip
    return settings
  }

  func run() throws {
    machine.apply()
    do {
      let identity = try FlowerIdentity.loadOrCreate(path: key)
      if publicKey {
        try StandardStream.output.writeLine(identity.publicKeyOpenSSH)
        return
      }
      try wait(for: try node(identity))
    } catch let error as FlowerError {
      throw CommandFailure("\(error)")
    }
  }

  private func node(_ identity: FlowerIdentity) throws -> FlowerNode {
    let task = try base.load(task)
    let first = part * task.trainingCount / of
    let end = (part + 1) * task.trainingCount / of
    var device = FlowerDevice(
      task: task,
      examples: (first..<end).map { Int32($0) },
      profile: self.device.profile,
      plan: rate == .one ? .full : .slice(rate),
      training: training,
      seed: seed
    )
    if task.testCount > 0 {
      device.measured = (0..<task.testCount).map { Int32($0) }
      device.measuredPart = .test
    }
    return FlowerNode(
      identity: identity,
      transport: try HTTPFlowerTransport(address: server, authority: authority),
      configuration: FlowerNodeConfiguration(
        admission: registered ? .registered : .open,
        journal: journal
      ),
      handlers: device.handlers,
      log: { try? StandardStream.error.writeLine("\($0)") }
    )
  }

  /// Runs the node; Ctrl-C asks it to leave.
  private func wait(for node: FlowerNode) throws {
    let outcome = NodeOutcome()
    Task {
      do throws(FlowerError) {
        try await node.run()
        outcome.end(nil)
      } catch {
        outcome.end(error)
      }
    }
    var isStopping = false
    while !outcome.wait(milliseconds: 200) {
      guard Cancellation.isRequested, !isStopping else { continue }
      isStopping = true
      Task { await node.stop() }
    }
    if let error = outcome.error { throw error }
    try Cancellation.check()
  }
}

/// How a node ended.
private final class NodeOutcome: Sendable {
  private let ended = DispatchSemaphore(value: 0)
  private let failure = Mutex<FlowerError?>(nil)

  var error: FlowerError? { failure.withLock { $0 } }

  func end(_ error: FlowerError?) {
    failure.withLock { $0 = error }
    ended.signal()
  }

  /// Whether the node ended within a time.
  func wait(milliseconds: Int) -> Bool {
    ended.wait(timeout: .now() + .milliseconds(milliseconds)) == .success
  }
}
