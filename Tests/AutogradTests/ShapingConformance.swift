import Autograd
import Checkpoints
import Tensor
import TestSupport
import Testing

/// Operations that move, choose, order or join elements, and their gradients, as torch has them:
/// every case of the file, which `Tools/fixtures/shaping.py` makes.
@Suite struct ShapingConformance {
  typealias Case = AutogradConformance.Case

  static let file = Fixtures.checkout + "/Tests/Fixtures/shaping/shaping.safetensors"
  static let cases = AutogradConformance.cases(file)

  @Test func theFileHoldsCasesOfEveryOperation() {
    let operations = Set(Self.cases.compactMap { $0.arguments["operation"]?.stringValue })
    let expected: Set = [
      "permute", "flip", "roll", "tile", "repeat", "expand", "pad", "concatenate", "stack", "split",
      "subscript", "take", "gather", "scatter", "add", "sort", "top", "cumulative", "segment",
      "reduce", "product",
    ]
    #expect(operations == expected)
  }

  @Test(arguments: cases)
  func shaping(item: Case) throws {
    let (x, y) = (try #require(try item.leaf("x")), try item.leaf("y"))
    let arguments = Arguments(item)
    let operation = try #require(item.arguments["operation"]?.stringValue)
    var places: Tensor<Int32>?
    let output: Variable
    switch operation {
    case "sort":
      let (axis, isDescending) = (arguments.int("axis"), arguments.bool("descending"))
      output = x.sorted(axis: axis, descending: isDescending)
      places = x.value.argSorted(axis: axis, descending: isDescending)
      #expect(x.value.sorted(axis: axis, descending: isDescending) == output.value)
    case "top":
      (output, places) = x.topK(
        arguments.int("count"),
        axis: arguments.int("axis"),
        largest: arguments.bool("largest")
      )
    default:
      output = try axes(operation, x, y, arguments) ?? indices(operation, x, y, item, arguments)
    }
    try item.expect(output, [("x", x), ("y", y)], tolerance: 1e-5)
    if let places {
      let file = try SafetensorsFile(path: item.path)
      #expect(try file.tensor(named: "\(item.name).places", as: Int32.self) == places)
    }
  }

  private func axes(
    _ operation: String,
    _ x: Variable,
    _ y: Variable?,
    _ arguments: Arguments
  ) throws -> Variable? {
    switch operation {
    case "permute": return x.permuted(arguments.ints("axes"))
    case "flip":
      let axes = arguments.ints("axes")
      return x.flipped(axes[0], axes[1])
    case "roll": return x.rolled(by: arguments.int("shift"), axis: arguments.int("axis"))
    case "tile":
      let counts = arguments.ints("counts")
      return x.tiled(counts[0], counts[1], counts[2])
    case "repeat": return x.repeated(arguments.int("times"), axis: arguments.int("axis"))
    case "expand": return x.broadcast(to: Shape(arguments.ints("shape")))
    case "pad": return x.padded(arguments.widths, mode: try arguments.paddingMode)
    case "concatenate":
      return .concatenating([x, try #require(y), x], axis: arguments.int("axis"))
    case "stack": return .stacking([try #require(y), x], axis: arguments.int("axis"))
    case "split":
      let parts = x.split(sizes: arguments.ints("sizes"), axis: arguments.int("axis"))
      return parts[2] * parts[1]
    case "subscript": return try subscripted(x, arguments.string("subscript"))
    case "cumulative":
      return x.cumulativeSum(axis: arguments.int("axis"), reversed: arguments.bool("reversed"))
    case "product": return x.matmul(try #require(y))
    default: return nil
    }
  }

  private func subscripted(_ x: Variable, _ name: String) throws -> Variable {
    switch name {
    case "column": return x[.all, 1]
    case "steps": return x[.every(2), 1...]
    case "last": return x[.rest, -1]
    case "newAxis": return x[.all, .newAxis, 2]
    case "tail": return x[(-2)..., ..<3]
    case "inner": return x[1..<3, 2..<4, .every(3)]
    default: throw UnknownCase(name: name)
    }
  }

  private func indices(
    _ operation: String,
    _ x: Variable,
    _ y: Variable?,
    _ item: Case,
    _ arguments: Arguments
  ) throws -> Variable {
    if operation == "reduce" { return try reduced(x, arguments) }
    let file = try SafetensorsFile(path: item.path)
    let ids = try file.tensor(named: "\(item.name).ids", as: Int32.self)
    if operation == "segment" {
      let count = arguments.int("count")
      switch arguments.string("reduction") {
      case "sum": return x.segmentSum(ids, count: count)
      case "mean": return x.segmentMean(ids, count: count)
      case "max": return x.segmentMax(ids, count: count)
      case let name: throw UnknownCase(name: name)
      }
    }
    let axis = arguments.int("axis")
    switch operation {
    case "take": return x.taking(ids, axis: axis)
    case "gather": return x.gathered(ids, axis: axis)
    case "scatter": return x.scatterAdding(try #require(y), at: ids, axis: axis)
    case "add": return x.adding(try #require(y), at: ids, axis: axis)
    default: throw UnknownCase(name: operation)
    }
  }

  private func reduced(_ x: Variable, _ arguments: Arguments) throws -> Variable {
    let axes = arguments.ints("axes")
    switch arguments.string("reduction") {
    case "mean": return x.mean(axes: axes)
    case "variance": return x.variance(axes: axes, correction: 1)
    case "deviation": return x.standardDeviation(axes: axes)
    case "largest": return x.max(axes: axes)
    case "logSumExp": return x.logSumExp(axes: axes)
    case let name: throw UnknownCase(name: name)
    }
  }

  private struct UnknownCase: Error {
    let name: String
  }

  /// The arguments of a case as Swift types; what is missing has no place in any operation.
  private struct Arguments {
    let values: JSONValue

    init(_ item: Case) { values = item.arguments }

    func int(_ key: String) -> Int { values[key]?.intValue ?? .min }
    func ints(_ key: String) -> [Int] { (values[key]?.arrayValue ?? []).compactMap(\.intValue) }
    func bool(_ key: String) -> Bool { values[key]?.boolValue ?? false }
    func string(_ key: String) -> String { values[key]?.stringValue ?? "" }

    var widths: [(before: Int, after: Int)] {
      (values["widths"]?.arrayValue ?? []).map { pair in
        (before: pair[0]?.intValue ?? 0, after: pair[1]?.intValue ?? 0)
      }
    }

    var paddingMode: PaddingMode<Float> {
      get throws {
        switch string("mode") {
        case "constant": return .constant(Float(values["value"]?.doubleValue ?? .nan))
        case "reflect": return .reflect
        case "replicate": return .replicate
        case "circular": return .circular
        case let name: throw UnknownCase(name: name)
        }
      }
    }
  }
}
