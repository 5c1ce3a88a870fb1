import ArgumentParser
import FederationSupport

/// `device`: a device of a federation that `serve` coordinates.
struct DeviceCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "device",
    abstract: "Take part in a federation that 'serve' coordinates.",
    discussion: DeviceArguments.discussion(of: "apus-federate device")
  )

  @OptionGroup var device: DeviceArguments
  @OptionGroup(title: "Base") var base: BaseArguments

  func run() throws { try device.run(load: base.load) }
}
