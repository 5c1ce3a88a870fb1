import ArgumentParser
import FederationSupport
import Support

/// A device of Apus's federated learning, as a program of its own: nothing but what a device needs.
@main
struct ApusDevice: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "apus-device",
    abstract: "Takes part in a federation that 'apus-federate serve' coordinates.",
    discussion: DeviceArguments.discussion(of: "apus-device"),
    version: "0.1.0"
  )

  @OptionGroup var device: DeviceArguments

  func run() throws { try device.run() }

  static func main() { runToItsEnd() }
}
