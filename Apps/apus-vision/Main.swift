import ArgumentParser
import Support

/// The command line of Apus's quantization of convolutional nets.
@main
struct ApusVision: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "apus-vision",
    abstract: "Trains small convolutional nets and compares how their weights are rounded.",
    discussion: """
      The images are those of Fashion-MNIST: four files in images/fashion-mnist of the folder that \
      APUS_DATA names (../shared/data by default), or in the folder of --data.

      Results go to standard output, progress and errors to standard error. Exit codes: 0 done, \
      1 failed, 64 typed wrongly, 130 interrupted.

      EXAMPLES
        apus-vision train --architecture resnet --output resnet
        apus-vision train --architecture mobilenet --output mobilenet
        apus-vision study resnet mobilenet --output study
      """,
    version: "0.1.0",
    subcommands: [TrainCommand.self, StudyCommand.self]
  )

  static func main() { runToItsEnd() }
}
