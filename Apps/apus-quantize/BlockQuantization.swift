import Checkpoints
import Foundation
import ModelSupport
import Quantization
import Support
import Tensor

/// The quantization of one model's blocks by one method, into a work folder.
struct BlockQuantization {
  let source: ModelFile
  let configuration: QuantizationConfiguration
  let settings: BlockQuantizerSettings
  /// The work folder.
  let folder: String

  init(
    _ source: ModelFile,
    _ arguments: QuantizationArguments,
    _ method: QuantizationConfiguration.Method,
    _ calibration: CalibrationArguments,
    seed: UInt64,
    folder: String
  ) throws {
    self.source = source
    self.folder = folder
    configuration = try arguments.configuration(method)
    guard let rounding = calibration.method(method),
      let scheme = configuration.scheme.weightScheme
    else {
      throw CommandFailure(
        "\(method.rawValue) looks at weights alone and goes through no blocks; take 'run' without "
          + "--calibration",
        code: .usage
      )
    }
    settings = BlockQuantizerSettings(
      method: rounding,
      scheme: scheme,
      activations: configuration.activations,
      smoothing: try arguments.named(method)?.smoothing,
      prefix: calibration.prefix,
      lastBlockLoss: calibration.lastBlock,
      seed: seed
    )
  }

  /// Whether the weights are rounded as they are written: the method learns nothing, and no text is given
  /// on which the error of the states could be measured.
  static func isDirect(
    _ configuration: QuantizationConfiguration,
    _ calibration: CalibrationArguments
  ) -> Bool {
    [.roundToNearest, .binaryCoding].contains(configuration.method)
      && configuration.activations == nil
      && calibration.calibration == nil
  }

  /// Quantizes the blocks, or goes on where a run was stopped.
  func run(samples: Tensor<Int32>, output: OutputArguments) throws -> QuantizedBlocks {
    try source.checkFullPrecision()
    let stack = try source.makeStack()
    let progress = output.progress(configuration.method.rawValue, unit: "blocks")
    defer { progress.clear() }
    do {
      let blocks = try BlockQuantizer(settings).run(stack, samples: samples, in: folder) { state in
        let done = (Double(state.block) + state.fraction) / Double(state.blockCount)
        progress.update(
          completed: state.block,
          total: state.blockCount,
          share: done,
          note: state.stage
        )
        return !Cancellation.isRequested
      }
      progress.finish()
      return blocks
    } catch let error as CheckpointError {
      guard case .unwritable = error else { throw error }
      throw CommandFailure(
        "\(error); the finished blocks are in \(folder), and the same command goes on there"
      )
    } catch QuantizationError.cancelled {
      try Cancellation.check("the finished blocks are in \(folder); the same command goes on there")
      throw QuantizationError.cancelled
    }
  }
}
