import Autograd
import Checkpoints
import Tensor
import TestSupport
import Testing

/// Values after some steps on given gradients, as torch and Lion's paper compute them in Double;
/// made by Tools/fixtures/optimizers.py.
@Suite struct OptimizerConformance {
  static let path = Fixtures.checkout + "/Tests/Fixtures/optimizers/trajectories.safetensors"

  struct Case: Sendable, CustomTestStringConvertible {
    let name: String
    let arguments: JSONValue
    let size: Int
    var testDescription: String { "\(name), \(size) elements" }

    func number(_ key: String) -> Double? { arguments[key]?.doubleValue }

    var betas: (Double, Double)? {
      let values = arguments["betas"]?.arrayValue?.compactMap(\.doubleValue) ?? []
      return values.count == 2 ? (values[0], values[1]) : nil
    }

    func optimizer(of parameter: Parameter) throws -> any TrainingOptimizer {
      let groups = [ParameterGroup([parameter])]
      let rate = number("lr").map { Float($0) }
      let decay = number("weight_decay").map { Float($0) }
      switch arguments["optimizer"]?.stringValue {
      case "sgd":
        let factor = number("momentum").map { Float($0) }
        let isNesterov = arguments["nesterov"] != nil
        let momentum = factor.map { isNesterov ? SGD.Momentum.nesterov($0) : .heavyBall($0) }
        return SGD(
          groups,
          learningRate: try #require(rate),
          momentum: momentum ?? .none,
          weightDecay: decay ?? 0
        )
      // The defaults are part of what is compared.
      case "adam":
        guard let rate, let betas, let epsilon = number("eps") else { return Adam(groups) }
        return Adam(
          groups,
          learningRate: rate,
          betas: betas,
          epsilon: Float(epsilon),
          weightDecay: try #require(decay)
        )
      case "adamw":
        guard let rate, let betas, let epsilon = number("eps") else { return AdamW(groups) }
        return AdamW(
          groups,
          learningRate: rate,
          betas: betas,
          epsilon: Float(epsilon),
          weightDecay: try #require(decay)
        )
      default:
        return Lion(
          groups,
          learningRate: try #require(rate),
          betas: try #require(betas),
          weightDecay: try #require(decay)
        )
      }
    }
  }

  static let cases: [Case] = {
    guard let file = try? SafetensorsFile(path: path),
      let described = try? JSONValue.parse(file.metadata["case"] ?? "{}"),
      let cases = described["cases"]?.objectValue
    else { return [] }
    return zip(cases.keys, cases.values).flatMap { name, arguments in
      [1, 7, 33, 257].map { Case(name: name, arguments: arguments, size: $0) }
    }
  }()

  @Test func theFileHoldsCases() { #expect(Self.cases.count == 48) }

  @Test(arguments: cases)
  func trajectory(item: Case) throws {
    let file = try SafetensorsFile(path: Self.path)
    func tensor(_ name: String) throws -> Tensor<Float> {
      try file.tensor(named: name, as: Float.self)
    }
    let parameter = Parameter(try tensor("\(item.size).start"))
    let gradients = try tensor("\(item.size).gradients")
    let expected = try tensor("\(item.name).\(item.size)")
    let after = try #require(item.arguments["after"]?.arrayValue?.compactMap { $0.intValue })
    let optimizer = try item.optimizer(of: parameter)
    for step in 0..<gradients.shape[0] {
      parameter.gradient = gradients[step]
      optimizer.step()
      guard let row = after.firstIndex(of: step + 1) else { continue }
      expectClose(
        parameter.value,
        expected[row],
        relative: 1e-6,
        absolute: 2e-6,
        "\(item.testDescription), step \(step + 1)"
      )
    }
  }

  private static let schedules: [(String, LearningRateSchedule)] = [
    ("constant", .constant(3e-4)),
    ("constant_warm", .constant(3e-4, warmUpSteps: 7)),
    ("linear", .linear(from: 1e-3, steps: 20)),
    ("linear_warm", .linear(from: 1e-3, steps: 20, warmUpSteps: 6)),
    ("cosine", .cosine(from: 1e-3, steps: 20)),
    ("cosine_warm", .cosine(from: 1e-3, steps: 20, warmUpSteps: 6)),
    ("cosine_floor", .cosine(from: 1e-3, to: 1e-4, steps: 20)),
  ]

  @Test(arguments: schedules)
  func schedule(name: String, schedule: LearningRateSchedule) throws {
    let file = try SafetensorsFile(path: Self.path)
    let expected = try file.tensor(named: "schedule.\(name)", as: Float.self).elements
    // Ends differ from 0 by the rounding of π.
    expectClose(expected.indices.map { schedule($0) }, expected, relative: 1e-6, absolute: 1e-12)
  }
}
