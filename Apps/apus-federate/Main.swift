import ArgumentParser
import Support

/// The command line of Apus's federated learning.
@main
struct ApusFederate: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "apus-federate",
    abstract: "Trains one model on many devices that differ in speed and memory.",
    discussion: """
      Devices train parts of the global model that fit them (slices, masks, few bits, low rank), and \
      their updates are combined entry by entry over the devices that cover it.

      Results go to standard output, progress and errors to standard error. Exit codes: 0 done, \
      1 failed, 64 typed wrongly, 130 interrupted.

      EXAMPLES
        apus-federate simulate mnist --clients 1000 --fraction 0.1 --rounds 50 --output run.json
        apus-federate simulate mnist --strategy slice --rates 1 1/2 1/4 --alpha 0.3 --output run.json
        apus-federate simulate mnist --preset reference --seeds 1 2 3 --output study
        apus-federate plan --hidden 128 64 --deadline 60
        apus-federate report run.json --output page.html
      """,
    version: "0.1.0",
    subcommands: [
      SimulateCommand.self, ServeCommand.self, DeviceCommand.self, NodeCommand.self,
      ScalesCommand.self, PlanCommand.self, ReportCommand.self,
    ]
  )

  static func main() { runToItsEnd() }
}
