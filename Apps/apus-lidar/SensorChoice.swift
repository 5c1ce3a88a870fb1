import ArgumentParser
import Foundation
import PointCloud
import Support

/// A sensor as it is typed: `vlp16`, `my32.json`, `vlp16@2.4`.
struct SensorChoice: ExpressibleByArgument, Hashable {
  /// As it was typed, for tables.
  let text: String
  /// A shipped sensor or a file.
  let source: String
  /// The height above the road in metres, if another than the sensor's.
  let mountHeight: Double?

  init?(argument: String) {
    guard !argument.isEmpty else { return nil }
    text = argument
    let parts = argument.split(separator: "@", omittingEmptySubsequences: false)
    if parts.count > 1, let last = parts.last, let height = Double(last) {
      source = parts.dropLast().joined(separator: "@")
      mountHeight = height
    } else {
      (source, mountHeight) = (argument, nil)
    }
  }

  /// The sensor; a height in metres that is given here counts more than one behind the @.
  func model(mountHeight other: Double? = nil) throws -> BeamModel {
    var model =
      source.hasSuffix(".json") || source.contains("/")
      ? try BeamModel(contentsOf: source) : try BeamModel.named(source)
    model.mountHeight = other ?? mountHeight ?? model.mountHeight
    try model.validate()
    return model
  }

  /// A simulator of the sensor.
  func simulator(mountHeight: Double? = nil) throws -> LidarSimulator {
    let model = try model(mountHeight: mountHeight)
    guard model.mountHeight >= Self.leastHeight else {
      throw CommandFailure(
        "sensor \(text): it stands \(model.mountHeight) m above the road, a simulated one needs "
          + "at least \(Self.leastHeight)"
      )
    }
    let (rays, overflow) = model.beamCount.multipliedReportingOverflow(by: model.columnCount)
    guard !overflow, rays <= Self.mostRays else {
      throw CommandFailure(
        "sensor \(text): \(model.beamCount) beams × \(model.columnCount) columns are more than "
          + "\(Self.mostRays.grouped) rays"
      )
    }
    return LidarSimulator(model: model)
  }

  private static let leastHeight = 0.3
  private static let mostRays = 1 << 26
}

/// Sensors with commas between them: `hdl64e,vlp16@2.4`.
struct SensorList: ExpressibleByArgument {
  let choices: [SensorChoice]

  init(_ names: [String]) { choices = names.compactMap { SensorChoice(argument: $0) } }

  init?(argument: String) {
    let parts = argument.split(separator: ",", omittingEmptySubsequences: false)
    choices = parts.compactMap { SensorChoice(argument: String($0)) }
    guard choices.count == parts.count else { return nil }
  }

  /// Refuses the same sensor twice: it would be two columns of one name.
  func validate() throws {
    let texts = choices.map(\.text)
    if let twice = texts.first(where: { text in texts.count { $0 == text } > 1 }) {
      throw ValidationError("sensor \(twice) is listed twice")
    }
  }
}

extension SensorList: CustomStringConvertible {
  var description: String { choices.map(\.text).joined(separator: ",") }
}
