public import Autograd
public import Checkpoints
import Foundation
public import Tensor

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

  /// The key of the metadata under which a file says that some weights are packed codes, and how.
  public static let packingKey = "packing"

  /// Reads a network, with the densities and the sensor that it was trained on.
  ///
  /// - Throws: `SegmenterFileError`; `.malformed` for a file of packed codes, which other modules read.
  public convenience init(path: String) throws(SegmenterFileError) {
    let file: SafetensorsFile
    do throws(CheckpointError) {
      file = try SafetensorsFile(path: path, mode: .inMemory)
    } catch { throw .checkpoint(error) }
    guard file.metadata[Self.packingKey] == nil else {
      throw .malformed(path: path, reason: "its weights are packed codes; 'apus-lidar' opens it")
    }
    try self.init(file, decoded: [:])
  }

  /// Reads a network of which some weights lie in the file in another form than as floats.
  ///
  /// - Parameters:
  ///   - file: what `write` has written, or a file with its metadata.
  ///   - decoded: the values of those parameters, by their names; tensors of the file under names
  ///     that the network does not have are left aside then.
  /// - Throws: `SegmenterFileError`.
  public convenience init(
    _ file: SafetensorsFile,
    decoded: [String: Tensor<Float>]
  ) throws(SegmenterFileError) {
    let path = file.path
    guard file.metadata["format"] == Self.format, let text = file.metadata["segmenter"] else {
      throw .malformed(path: path, reason: "no segmentation network")
    }
    let header: Header
    do { header = try JSONDecoder().decode(Header.self, from: Data(text.utf8)) } catch {
      throw .malformed(path: path, reason: "a damaged configuration, \(error)")
    }
    if let flaw = header.configuration.flaw { throw .malformed(path: path, reason: flaw) }
    do throws(BeamModelError) { try header.sensor?.validate() } catch {
      throw .malformed(path: path, reason: "\(error)")
    }
    let stored = file.entries.reduce(decoded.values.reduce(0) { $0 + $1.count }) {
      $0 + ($1.shape?.count ?? 0)
    }
    guard stored <= Self.maximumParameterCount, header.configuration.fits(stored) else {
      throw .malformed(path: path, reason: "\(stored) numbers for a network of another size")
    }
    var generator = Philox(seed: 0)
    self.init(header.configuration, using: &generator)
    try load(file, decoded)
    densityRange = header.densityRange
    sensor = header.sensor
    eval()
  }

  private func load(
    _ file: SafetensorsFile,
    _ decoded: [String: Tensor<Float>]
  ) throws(SegmenterFileError) {
    let known = Set(state().keys)
    var values = decoded
    do throws(CheckpointError) {
      for name in file.names where values[name] == nil && (decoded.isEmpty || known.contains(name))
      {
        values[name] = try file.tensor(named: name)
      }
    } catch { throw .checkpoint(error) }
    do throws(ModuleError) { try load(values) } catch { throw .weights(path: file.path, error) }
  }

  /// Writes the network to one safetensors file, which appears complete or not at all.
  ///
  /// - Throws: `SegmenterFileError`.
  public func write(to path: String) throws(SegmenterFileError) {
    let metadata = try metadata()
    do throws(ModuleError) {
      try save(to: path, metadata: metadata)
    } catch { throw .weights(path: path, error) }
  }

  /// Everything but the weights, for the header of a file.
  ///
  /// - Throws: `SegmenterFileError.malformed` for numbers that JSON cannot hold.
  public func metadata() throws(SegmenterFileError) -> [String: String] {
    let header = Header(configuration: configuration, densityRange: densityRange, sensor: sensor)
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys]
    do {
      let text = String(decoding: try encoder.encode(header), as: UTF8.self)
      return ["format": Self.format, "segmenter": text]
    } catch {
      throw .malformed(
        path: "segmenter",
        reason: "a configuration that cannot be written, \(error)"
      )
    }
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
