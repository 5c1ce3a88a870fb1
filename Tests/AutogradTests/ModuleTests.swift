import Autograd
import Checkpoints
import Tensor
import TestSupport
import Testing

/// A layer with one parameter, one of them optional, and one number that is none.
private final class Scale: Module {
  let factor: Parameter
  let shift: Parameter?
  let steps = 3
  init(_ factor: Float, shift: Float? = nil) {
    self.factor = Parameter(Tensor([factor]))
    self.shift = shift.map { Parameter(Tensor([$0])) }
  }
}

private class Base: Module {
  let base = Parameter(Tensor([1, 2]))
  let mean = Buffer(Tensor([7]))
}

private final class Derived: Base {
  let own = Parameter(Tensor([3]))
}

private final class Everything: Module {
  let numbers = [Float](repeating: 0, count: 10)
  let blocks = [Scale(1), Scale(2, shift: 3)]
  let nested = [[Scale(4)]]
  let branches = ["right": Scale(5), "left": Scale(6)]
  let pair = (first: Scale(7), Scale(8))
  let none: Scale? = nil
  let existential: any Module = Derived()
  let list: [any Module] = [Scale(9)]
  lazy var late = Parameter(Tensor([10]))
}

private final class Tied: Module {
  let embedding = Parameter(Tensor([1, 2], shape: [2, 1]))
  let head: Inner
  weak var parent: Tied?
  init() {
    head = Inner(embedding)
    parent = self
  }
  final class Inner: Module {
    let weight: Parameter
    let bias = Parameter(Tensor([5, 6]))
    init(_ weight: Parameter) { self.weight = weight }
  }
}

private final class Handwritten: Module {
  let hidden = Parameter(Tensor([1]))
  let inner = Scale(2)
  func visitParameters(_ visitor: ModuleVisitor) {
    visitor.visit("shown", hidden)
    visitor.visit("part", inner)
  }
}

private final class Colliding: Module {
  let a = Parameter(Tensor([1]))
  let b = Parameter(Tensor([2]))
  func visitParameters(_ visitor: ModuleVisitor) {
    visitor.visit("same", a)
    visitor.visit("same", b)
  }
}

@Suite struct ModuleTests {
  @Test func reflectionFindsParametersWhereverPropertiesHoldThem() {
    let names = Everything().namedParameters().map(\.name)
    #expect(
      names == [
        "blocks.0.factor", "blocks.1.factor", "blocks.1.shift", "nested.0.0.factor",
        "branches.left.factor", "branches.right.factor", "pair.first.factor", "pair.1.factor",
        "existential.base", "existential.own", "list.0.factor",
      ]
    )
  }

  @Test func aLazyPropertyIsFoundOnceItExists() {
    let module = Everything()
    _ = module.late
    #expect(module.namedParameters().last?.name == "late")
  }

  @Test func inheritedPropertiesComeFirstAndBuffersAreApart() {
    let module = Derived()
    #expect(module.namedParameters().map(\.name) == ["base", "own"])
    #expect(module.namedBuffers().map(\.name) == ["mean"])
    #expect(module.namedParameters().allSatisfy { $0.owner === module })
  }

  @Test func modulesAreListedFromTheOutside() {
    let names = Everything().namedModules().map(\.name)
    #expect(names.prefix(3) == ["", "blocks.0", "blocks.1"])
  }

  @Test func tiedParametersAreListedOnceAndParentsAreSkipped() {
    let tied = Tied()
    let found = tied.namedParameters()
    #expect(found.map(\.name) == ["embedding", "head.bias"])
    #expect(found[0].aliases == ["head.weight"])
    #expect(tied.parameterCount == ParameterCount(total: 4, trainable: 4))
    #expect(tied.namedModules().map(\.name) == ["", "head"])
  }

  @Test func namesCanBeWrittenByHand() {
    #expect(Handwritten().namedParameters().map(\.name) == ["shown", "part.factor"])
  }

  @Test func twoObjectsUnderOneNameStop() async throws {
    let result = try #require(
      await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
        _ = Colliding().parameters()
      }
    )
    let text = String(decoding: result.standardErrorContent, as: UTF8.self)
    #expect(text.contains("module: two objects are called same"))
  }

  @Test func freezingByNameStopsTrainingAndForgetsGradients() {
    let module = Everything()
    for parameter in module.parameters() { parameter.gradient = .ones(parameter.shape) }
    module.freeze { $0.hasPrefix("blocks.") }
    #expect(module.parameterCount == ParameterCount(total: 12, trainable: 9))
    #expect(module.blocks[0].factor.gradient == nil)
    #expect(module.nested[0][0].factor.gradient != nil)
    module.unfreeze()
    #expect(module.parameterCount.trainable == 12)
    module.clearGradients()
    #expect(module.parameters().allSatisfy { $0.gradient == nil })
  }
}

@Suite struct ModuleStateTests {
  @Test func aStateRoundTripsThroughAFile() throws {
    try withTemporaryFolder { folder in
      let source = Derived()
      source.base.value = Tensor([0.5, -3])
      source.mean.value = Tensor([11])
      try source.save(to: folder + "/state.safetensors", metadata: ["kind": "test"])
      let target = Derived()
      let report = try target.load(from: folder + "/state.safetensors")
      #expect(report == StateReport())
      #expect(target.state() == source.state())
      let file = try SafetensorsFile(path: folder + "/state.safetensors")
      #expect(file.metadata == ["kind": "test"])
    }
  }

  @Test func aStateThatDoesNotFitNamesEverythingAndChangesNothing() {
    let module = Derived()
    let before = module.state()
    let state: [String: Tensor<Float>] = [
      "base": Tensor([1, 2, 3]), "mean": Tensor([0]), "extra": Tensor([1]),
    ]
    let error = #expect(throws: ModuleError.self) { try module.load(state) }
    #expect(
      error
        == .stateMismatch(
          StateMismatch(
            missing: ["own"],
            unexpected: ["extra"],
            shapes: [.init(name: "base", expected: [2], found: [3])],
            known: ["base", "own", "mean"]
          )
        )
    )
    #expect(
      error?.description
        == "load state: 1 missing: \"own\"; 1 unexpected: \"extra\"; \"base\" is [3], "
        + "expected [2]; known: \"base\", \"own\", \"mean\""
    )
    #expect(module.state() == before)
  }

  @Test func aLenientLoadReportsWhatItLeftAside() throws {
    let module = Derived()
    let report = try module.load(["own": Tensor([8]), "extra": Tensor([1])], strict: false)
    #expect(report == StateReport(missing: ["base", "mean"], unexpected: ["extra"]))
    #expect(module.own.value == Tensor([8]))
    #expect(throws: ModuleError.self) {
      try module.load(["own": Tensor([8, 9])], strict: false)
    }
  }

  @Test func tiedParametersLoadUnderAnyOfTheirNames() throws {
    let tied = Tied()
    let weight = Tensor<Float>([8, 9], shape: [2, 1])
    try tied.load(["head.weight": weight, "head.bias": Tensor([1, 1])])
    #expect(tied.embedding.value == weight)
    #expect(tied.state().keys.sorted() == ["embedding", "head.bias"])
    try tied.load([
      "embedding": weight * 2, "head.weight": weight, "head.bias": Tensor([1, 1]),
    ])
    #expect(tied.embedding.value == weight * 2)
  }

  @Test func aMissingFileIsACheckpointError() {
    #expect(throws: ModuleError.checkpoint(.unreadable(path: "/nowhere/x", .missing))) {
      try Derived().load(from: "/nowhere/x")
    }
  }

  @Test func manyNamesAreCutInMessages() {
    var mismatch = StateMismatch()
    mismatch.known = (0..<12).map { "p\($0)" }
    #expect(mismatch.description.hasSuffix("\"p9\" and 2 more"))
  }
}

private final class Attention: LinearLayerOwner {
  var query: any LinearLayer
  var output: any LinearLayer
  let fixed: Linear
  init(using generator: inout Philox) {
    query = Linear(inputWidth: 2, outputWidth: 3, using: &generator)
    output = Linear(inputWidth: 3, outputWidth: 2, using: &generator)
    fixed = Linear(inputWidth: 2, outputWidth: 2, using: &generator)
  }
  static var linearLayers: [LinearLayerPath<Attention>] {
    [("output", \.output), ("query", \.query)]
  }
}

private final class Model: Module {
  let blocks: [Attention]
  let head: Sequential
  init() {
    var generator = Philox(seed: 1)
    blocks = [Attention(using: &generator), Attention(using: &generator)]
    head = Sequential(
      Linear(inputWidth: 2, outputWidth: 2, using: &generator),
      Sequential(Linear(inputWidth: 2, outputWidth: 1, using: &generator))
    )
  }
}

@Suite struct ModuleLayerTests {
  @Test func linearLayersAreListedInThePublishedOrder() {
    let names = Model().namedLinearLayers().map(\.name)
    #expect(
      names == [
        "blocks.0.output", "blocks.0.query", "blocks.0.fixed", "blocks.1.output",
        "blocks.1.query", "blocks.1.fixed", "head.0", "head.1.0",
      ]
    )
  }

  @Test func publishedLayersAreReplacedByPath() throws {
    let model = Model()
    for path in ["blocks.1.query", "head.1.0"] {
      let old = try #require(model.layer(at: path))
      let matrix = Tensor<Float>.ones([old.outputWidth, old.inputWidth])
      let new = FrozenLinear(weight: .float32(matrix))
      try model.replaceLayer(at: path, with: new)
      #expect(model.layer(at: path) === new)
    }
    #expect(model.namedParameters().map(\.name).contains("blocks.1.query.weight") == false)
    #expect(model.layer(at: "blocks.7.query") == nil)
  }

  @Test func wrongReplacementsSayWhatIsWrong() throws {
    let model = Model()
    let layer = FrozenLinear(weight: .float32(.ones([2, 2])))
    #expect(throws: ModuleError.fixedLayer(path: "blocks.0.fixed", owner: "Attention")) {
      try model.replaceLayer(at: "blocks.0.fixed", with: layer)
    }
    #expect(
      throws: ModuleError.layerMismatch(path: "blocks.0.query", expected: [3, 2], found: [2, 2])
    ) {
      try model.replaceLayer(at: "blocks.0.query", with: layer)
    }
    let missing = #expect(throws: ModuleError.self) {
      try model.replaceLayer(at: "blocks.0.kez", with: layer)
    }
    #expect(
      missing?.description.hasPrefix(
        "layer: nothing to exchange at \"blocks.0.kez\", known: \"blocks.0.output\", "
      ) == true
    )
    #expect(
      ModuleError.layerMismatch(path: "a", expected: [3, 2], found: [2, 2]).description
        == "replace layer: \"a\" maps [3×2], the new one [2×2]"
    )
    #expect(
      ModuleError.fixedLayer(path: "a.b", owner: "Block").description
        == "replace layer: \"a.b\" is fixed; list it in Block.linearLayers or "
        + "Block.convolutionLayers as a key path to a variable property"
    )
  }
}
