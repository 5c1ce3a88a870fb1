public import ArgumentParser
public import GUIGrounding
public import GUIGroundingRemote
public import Quantization

extension AdvantageScaling: ExpressibleByArgument {}
extension ConsistencyMode: ExpressibleByArgument {}
extension CoordinateOrder: ExpressibleByArgument {}
extension CoordinateSpace: ExpressibleByArgument {}
extension GRPOReduction: ExpressibleByArgument {}
extension GroundingLayout: ExpressibleByArgument {}
extension PromptTemplate: ExpressibleByArgument {}
extension RangeEstimation: ExpressibleByArgument {}
extension RatioLevel: ExpressibleByArgument {}
extension TrainingRowLayout: ExpressibleByArgument {}
extension VoteAggregation: ExpressibleByArgument {}

extension PixelSize: ExpressibleByArgument {
  /// Reads `1280x720`.
  public init?(argument: String) {
    let parts = argument.split(separator: "x", omittingEmptySubsequences: false).map { Int($0) }
    guard parts.count == 2, let width = parts[0], let height = parts[1],
      (1...1_000_000).contains(width), (1...1_000_000).contains(height)
    else { return nil }
    self.init(width: width, height: height)
  }
}

extension CropRule: ExpressibleByArgument {
  /// Reads a share such as `0.5`, or extents such as `640x480`.
  public init?(argument: String) {
    if let size = PixelSize(argument: argument) {
      self = .fixed(size)
    } else if let share = Double(argument), share > 0, share <= 1 {
      self = .fraction(share)
    } else {
      return nil
    }
  }
}

extension VoteBandwidth: ExpressibleByArgument {
  /// Reads a share such as `0.04`, pixels such as `8px`, `scott` or `silverman`.
  public init?(argument: String) {
    switch argument {
    case "scott": self = .scott
    case "silverman": self = .silverman
    default:
      let isPixels = argument.hasSuffix("px")
      guard let width = Double(isPixels ? argument.dropLast(2) : argument[...]), width >= 1e-6,
        width <= 1e6
      else { return nil }
      self = isPixels ? .pixels(width) : .relative(width)
    }
  }
}

extension GroundingBox: ExpressibleByArgument {
  /// Reads `x0,y0,x1,y1`.
  public init?(argument: String) {
    let parts = argument.split(separator: ",", omittingEmptySubsequences: false)
    let numbers = parts.compactMap { Double($0) }
    guard parts.count == 4, numbers.count == 4 else { return nil }
    self.init(x0: numbers[0], y0: numbers[1], x1: numbers[2], y1: numbers[3])
    guard isValid else { return nil }
  }
}
