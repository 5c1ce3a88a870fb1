public import Autograd
public import Checkpoints
import Foundation
import Tensor

/// Why a file is not a segmentation network.
public enum SegmenterFileError: Error {
  /// The file cannot be read or written.
  case checkpoint(CheckpointError)
  /// The file is not one of a segmentation network, or is damaged.
  case malformed(path: String, reason: String)
  /// The weights do not fit the configuration beside them.
  case weights(path: String, ModuleError)
}

extension SegmenterFileError: CustomStringConvertible {
  /// The file and the reason.
  public var description: String {
    switch self {
    case .checkpoint(let error): "\(error)"
    case .malformed(let path, let reason):
      "\(path): \(reason); a file that 'PointSegmenter.write' has written is needed"
    case .weights(let path, let error): "\(path): \(error)"
    }
  }
}

extension PointSegmenter {
  /// The value of `format` in the header of a file.
  private static let format = "apus-point-segmenter"

  /// The most parameters that a file may ask for.
  private static let maximumParameterCount = 1_000_000_000

  /// Everything but the weights, as the header holds it.
  private struct Header: Codable {
    var configuration: SegmenterConfiguration
    var densityRange: DensityRange?
    var sensor: BeamModel?
  }

  /// Reads a network, with the densities and the sensor that it was trained on.
  ///
  /// - Throws: `SegmenterFileError`.
  public convenience init(path: String) throws(SegmenterFileError) {
    let file: SafetensorsFile
    do throws(CheckpointError) {
      file = try SafetensorsFile(path: path, mode: .inMemory)
    } catch { throw .checkpoint(error) }
    guard file.metadata["format"] == Self.format, let text = file.metadata["segmenter"] else {
      throw .malformed(path: path, reason: "no segmentation network")
    }
    let header: Header
    do { header = try JSONDecoder().decode(Header.self, from: Data(text.utf8)) } catch {
      throw .malformed(path: path, reason: "a damaged configuration, \(error)")
    }
    if let flaw = header.configuration.flaw { throw .malformed(path: path, reason: flaw) }
    let stored = file.entries.reduce(0) { $0 + ($1.shape?.count ?? 0) }
    guard stored <= Self.maximumParameterCount, header.configuration.fits(stored) else {
      throw .malformed(path: path, reason: "\(stored) numbers for a network of another size")
    }
    var generator = Philox(seed: 0)
    self.init(header.configuration, using: &generator)
    do throws(ModuleError) { try load(from: path) } catch {
      throw .weights(path: path, error)
    }
    densityRange = header.densityRange
    sensor = header.sensor
    eval()
  }

  /// Writes the network to one safetensors file, which appears complete or not at all.
  ///
  /// - Throws: `SegmenterFileError`.
  public func write(to path: String) throws(SegmenterFileError) {
    let header = Header(configuration: configuration, densityRange: densityRange, sensor: sensor)
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys]
    let text: String
    do { text = String(decoding: try encoder.encode(header), as: UTF8.self) } catch {
      throw .malformed(path: path, reason: "a configuration that cannot be written, \(error)")
    }
    do throws(ModuleError) {
      try save(to: path, metadata: ["format": Self.format, "segmenter": text])
    } catch { throw .weights(path: path, error) }
  }
}

extension SegmenterConfiguration {
  /// Whether the widest layers alone are not more than the numbers of a file: checked before a
  /// network is made, so that a damaged file cannot ask for memory.
  fileprivate func fits(_ stored: Int) -> Bool {
    let widths = backbone.stemWidths + backbone.encoderWidths + backbone.decoderWidths
    let blocks = backbone.encoderBlocks + backbone.decoderBlocks
    guard widths.count <= 64, blocks.allSatisfy({ $0 <= 64 }) else { return false }
    return widths.allSatisfy { width in
      let (square, overflow) = width.multipliedReportingOverflow(by: width)
      return !overflow && square <= stored
    }
  }
}
