import Quantization
import Support
import Tensor
import Transformer

/// What methods take for a model, from its shapes.
struct MemoryTable: Encodable {
  var parameters: Int
  var linearParameters: Int
  var rows: [TuningMemory.Row]
  /// How weights and scales that are no codes are counted.
  var floatType: ScaleType
  /// What runs were measured to take.
  var runs: [MeasuredRun] = []

  /// The names that were asked for and that no layer has; all where none was.
  var unknownTargets: [String]

  /// The settings of the methods.
  struct Settings {
    var bits = 4
    /// The inputs that share a step size; nil for whole rows.
    var groupSize: Int?
    var planes = BaseArguments.defaultPlanes
    /// The inputs that share the scales of planes; nil for whole rows.
    var planeGroupSize: Int?
    var trainedPlanes = 1
    var rank = LowRankArguments.defaultRank
    /// The ends of the names of layers with low-rank adapters, in the family's files or in the module.
    var targets = LowRankArguments.defaultTargets
    var floatType = ScaleType.float16
    /// How what trains is stored.
    var trainedType = ScaleType.float16
  }

  private enum CodingKeys: String, CodingKey {
    case parameters, linearParameters, rows, floatType, runs
  }

  init(_ shape: ModelShape, _ settings: Settings) {
    let memory = TuningMemory(
      layers: shape.layers,
      otherCount: shape.otherCount,
      floatType: settings.floatType,
      trainedType: settings.trainedType
    )
    let paths = shape.paths
    func matches(_ target: String, _ layer: TuningMemory.Layer) -> Bool {
      [layer.name, paths[layer.name] ?? ""].contains {
        $0 == target || $0.hasSuffix("." + target)
      }
    }
    unknownTargets = settings.targets.filter { target in
      !memory.layers.contains { matches(target, $0) }
    }
    floatType = settings.floatType
    parameters = memory.parameterCount
    linearParameters = memory.linearCount
    rows = [
      memory.full(),
      memory.lora(rank: settings.rank) { layer in
        settings.targets.contains { matches($0, layer) }
      },
      memory.peqa(bits: settings.bits, groupSize: settings.groupSize),
      memory.alphaTuning(
        planes: settings.planes,
        groupSize: settings.planeGroupSize,
        trainedPlanes: settings.trainedPlanes
      ),
    ]
  }

  /// The type in words.
  var floatText: String { floatType == .float16 ? "half precision" : "single precision" }

  /// The rows for people.
  var table: Table {
    var table = Table([
      "method", .number("trained"), .number("weights"), .number("gradients"), .number("moments"),
      .number("copies"), .number("total"), .number("task"),
    ])
    for row in rows {
      table.add(
        row.method,
        row.trainedCount.grouped,
        byteCount(row.weightBytes),
        byteCount(row.gradientBytes),
        byteCount(row.optimizerBytes),
        byteCount(row.masterBytes),
        byteCount(row.totalBytes),
        byteCount(row.taskBytes)
      )
    }
    for run in runs { table.add(run.cells) }
    return table
  }
}
