public import Autograd
import Tensor

/// The layers of a model whose scales are tuned: one frozen base, any number of tasks.
///
///     try model.usePEQA()
///     let layers = try ScaleTunedLayers(of: model)
///     ...                                             // train layers.parameters
///     try layers.adapter(task: "law").write(to: "law.safetensors")
///
///     try layers.add(ScaleAdapter(path: "law.safetensors"))
///     try layers.activate("law")                      // one reference is set: no scale is copied
///     try layers.activate(nil)                        // the base again, bit for bit
///
/// Not safe to use from several threads at once: an actor that owns the model owns this too.
public final class ScaleTunedLayers {
  /// A layer and its name.
  public struct Entry {
    /// The name that adapters know the layer by.
    public let name: String
    /// The layer.
    public let layer: any ScaleTunedLinear
  }

  /// The layers in the order of their names.
  public let entries: [Entry]
  /// What the scales belong to.
  public let method: ScaleAdapter.Method
  /// The tasks that can be activated, in the order in which they were added.
  public private(set) var tasks: [String] = []
  /// The digest of everything that is frozen.
  public private(set) lazy var baseDigest: String = digest()
  private let choice: TaskChoice

  /// The tuned layers of a module.
  ///
  /// - Parameters:
  ///   - module: a model with layers of one method.
  ///   - name: the name that adapters know a layer by, from its path in the module.
  /// - Throws: `ScaleAdapterError.nothingToTune` if there is none, or layers of both methods.
  public init(
    of module: some Module,
    name: (_ path: String) -> String = { $0 }
  ) throws(ScaleAdapterError) {
    let found = module.namedLinearLayers().compactMap { path, layer in
      (layer as? any ScaleTunedLinear).map { Entry(name: name(path), layer: $0) }
    }
    guard let first = found.first else {
      throw .nothingToTune("the model has no layer with scales to tune; use PEQA or AlphaTuning")
    }
    func isPEQA(_ entry: Entry) -> Bool { entry.layer is PEQALinear }
    guard found.allSatisfy({ isPEQA($0) == isPEQA(first) }) else {
      throw .nothingToTune("the model mixes PEQA and AlphaTuning; use one of them")
    }
    method = isPEQA(first) ? .peqa : .alphaTuning
    entries = found.sorted { $0.name.utf8.lexicographicallyPrecedes($1.name.utf8) }
    // Layers that were asked for before keep their tasks.
    let choices = entries.map { $0.layer.tasks?.choice }
    if let known = choices.first ?? nil, choices.allSatisfy({ $0 === known }) {
      choice = known
      tasks = entries.first?.layer.tasks?.scales.keys.sorted() ?? []
    } else {
      choice = TaskChoice()
      for entry in entries { entry.layer.tasks = LayerTasks(scales: [:], choice: choice) }
    }
  }

  /// What a task trains.
  public var parameters: [Parameter] { entries.map(\.layer.scales) }

  private func digest() -> String {
    var digest = FrozenDigest()
    for entry in entries { entry.layer.hashFrozen(into: &digest) }
    return digest.text
  }

  /// Digests of what tasks of so many trained planes leave as it is, where that is not what the
  /// layers train.
  private var digests: [Int: String] = [:]

  /// The digest that an adapter of this base has.
  private func digest(for adapter: ScaleAdapter) -> String {
    guard let planes = adapter.trainedPlanes, planes != trainedPlanes else { return baseDigest }
    if let known = digests[planes] { return known }
    var digest = FrozenDigest()
    for entry in entries {
      guard let layer = entry.layer as? AlphaTuningLinear else { continue }
      layer.hashFrozen(into: &digest, trainedPlanes: planes)
    }
    digests[planes] = digest.text
    return digest.text
  }

  /// AlphaTuning: the planes whose scales train; nil for PEQA.
  private var trainedPlanes: Int? {
    entries.compactMap { ($0.layer as? AlphaTuningLinear)?.trainedPlanes }.max()
  }

  // MARK: Adapters

  /// The scales of now as a task.
  public func adapter(task: String, step: Int = 0) -> ScaleAdapter {
    func text(_ value: (Entry) -> String?) -> String {
      let values = Set(entries.compactMap(value))
      return values.count == 1 ? values.first ?? "" : "mixed"
    }
    // A group as wide as a whole row is both.
    let groups = Set(entries.map(\.group)).subtracting([Entry.wholeRow])
    func group(_ entry: Entry) -> String? {
      let isEither = entry.isWholeRow && groups.contains { Int($0) ?? 0 >= entry.layer.inputWidth }
      return isEither ? nil : entry.group
    }
    return ScaleAdapter(
      method: method,
      task: task,
      step: step,
      baseDigest: baseDigest,
      bits: text { $0.bits },
      group: text(group),
      axis: text { $0.isByInput ? "ic" : "oc" },
      scales: Dictionary(
        uniqueKeysWithValues: entries.map { ($0.name, $0.stored($0.layer.scales.value)) }
      )
    )
  }

  /// Makes an adapter's scales the ones that are trained.
  ///
  /// A task of fewer planes than the layers train leaves the scales of the others as they were found.
  ///
  /// - Throws: `ScaleAdapterError` if it belongs to another base or does not fit.
  public func load(_ adapter: ScaleAdapter) throws(ScaleAdapterError) {
    for (entry, scales) in zip(entries, try checked(adapter)) { entry.layer.scales.value = scales }
  }

  /// Makes the start's scales the ones that are trained.
  public func reset() {
    for entry in entries { entry.layer.scales.value = entry.layer.initialScales }
  }

  /// Adds a task, or replaces the one of that name.
  ///
  /// - Throws: `ScaleAdapterError` if it belongs to another base or does not fit.
  public func add(_ adapter: ScaleAdapter) throws(ScaleAdapterError) {
    let scales = try checked(adapter)
    for (entry, scales) in zip(entries, scales) { entry.layer.tasks?.scales[adapter.task] = scales }
    if !tasks.contains(adapter.task) { tasks.append(adapter.task) }
  }

  /// Takes a task away; where it computed, the scales that are trained do so again.
  ///
  /// - Throws: `ScaleAdapterError.unknownTask`.
  public func remove(_ task: String) throws(ScaleAdapterError) {
    try check(task)
    if choice.active == task { choice.active = nil }
    for entry in entries { entry.layer.tasks?.scales[task] = nil }
    tasks.removeAll { $0 == task }
  }

  /// Lets the model compute by a task's scales, or by those that are trained.
  ///
  /// Inference alone looks at this: a step of training always uses its own scales.
  ///
  /// - Throws: `ScaleAdapterError.unknownTask`.
  public func activate(_ task: String?) throws(ScaleAdapterError) {
    if let task { try check(task) }
    (choice.active, choice.rows) = (task, nil)
  }

  /// Runs code in which each row that the layers read belongs to a task of its own.
  ///
  /// - Parameters:
  ///   - tasks: the task of each row, nil for the scales that are trained; for sequences of several
  ///     tokens, one entry a token.
  ///   - body: what computes.
  /// - Returns: what the body returns.
  /// - Throws: `ScaleAdapterError.unknownTask`, or what the body throws.
  public func withTasks<Result>(
    ofRows tasks: [String?],
    _ body: () throws -> Result
  ) throws -> Result {
    for name in Set(tasks.compactMap { $0 }) { try check(name) }
    let before = choice.rows
    choice.rows = tasks
    defer { choice.rows = before }
    return try body()
  }

  /// The same where a name that nobody knows means the scales that are trained.
  ///
  /// For passes of texts that outlive their task: what is computed for them is thrown away.
  ///
  /// - Parameters:
  ///   - tasks: the task of each row.
  ///   - body: what computes.
  public func withKnownTasks(ofRows tasks: [String?], _ body: () -> Void) {
    let known = Set(self.tasks)
    let before = choice.rows
    choice.rows = tasks.map { task in task.flatMap { known.contains($0) ? $0 : nil } }
    defer { choice.rows = before }
    body()
  }

  /// What lets a batch of texts of several tasks run through the model at once.
  ///
  ///     var batch = model.generate(after: prompts, options: options)
  ///     batch.aroundPass = try layers.tasks(ofTexts: ["law", nil, "medicine"])
  ///
  /// - Parameter tasks: the task of each text, nil for the scales that are trained.
  /// - Returns: a function that runs `read` for rows of these texts.
  /// - Throws: `ScaleAdapterError.unknownTask`.
  public func tasks(
    ofTexts tasks: [String?]
  ) throws(ScaleAdapterError) -> (_ texts: [Int], _ read: () -> Void) -> Void {
    for name in Set(tasks.compactMap { $0 }) { try check(name) }
    return { [choice] texts, read in
      let before = choice.rows
      choice.rows = texts.map { tasks[$0] }
      defer { choice.rows = before }
      read()
    }
  }

  private func check(_ task: String) throws(ScaleAdapterError) {
    guard tasks.contains(task) else { throw .unknownTask(task, known: tasks) }
  }

  /// The scales of an adapter as the layers want them, in their order.
  private func checked(
    _ adapter: ScaleAdapter
  ) throws(ScaleAdapterError) -> [Tensor<Float>] {
    guard adapter.method == method else {
      throw .layers(
        task: adapter.task,
        reason: "it is of \(adapter.method.rawValue), the model of \(method.rawValue)"
      )
    }
    let digest = digest(for: adapter)
    guard adapter.baseDigest == digest else {
      throw .foreignBase(task: adapter.task, expected: digest, found: adapter.baseDigest)
    }
    if let planes = adapter.trainedPlanes, let own = trainedPlanes, planes > own {
      throw .layers(
        task: adapter.task,
        reason: "it has the scales of \(planes) planes, the layers train \(own); let them train "
          + "\(planes)"
      )
    }
    if let extra = Set(adapter.scales.keys).subtracting(entries.map(\.name)).min() {
      throw .layers(task: adapter.task, reason: "the model has no layer '\(extra)'")
    }
    var scales: [Tensor<Float>] = []
    for entry in entries {
      guard let stored = adapter.scales[entry.name].map(entry.completed) else {
        throw .layers(task: adapter.task, reason: "it has no scales for '\(entry.name)'")
      }
      guard stored.withUnsafeElements({ $0.allSatisfy { $0.isFinite } }) else {
        throw .layers(task: adapter.task, reason: "a scale of '\(entry.name)' is not finite")
      }
      let expected = entry.stored(entry.layer.scales.value).shape
      guard stored.shape == expected else {
        throw .shape(
          task: adapter.task,
          layer: entry.name,
          expected: expected,
          found: stored.shape
        )
      }
      scales.append(entry.stored(stored))
    }
    return scales
  }
}

extension ScaleTunedLayers.Entry {
  fileprivate var bits: String {
    switch layer {
    case let layer as PEQALinear: "\(layer.base.scheme.grid.bits)"
    case let layer as AlphaTuningLinear: "\(layer.base.planeCount)"
    default: ""
    }
  }

  /// The group of a row that has one scale.
  fileprivate static let wholeRow = "-1"

  fileprivate var isWholeRow: Bool { group == Self.wholeRow }

  fileprivate var group: String {
    switch layer {
    case let layer as PEQALinear:
      switch layer.base.scheme.granularity {
      case .inputGroups(let size), .outputGroups(let size): "\(size)"
      case .tensor, .outputChannel: Self.wholeRow
      }
    case let layer as AlphaTuningLinear:
      layer.base.groupSize >= layer.inputWidth ? Self.wholeRow : "\(layer.base.groupSize)"
    default: ""
    }
  }

  fileprivate var isByInput: Bool {
    guard let layer = layer as? PEQALinear else { return false }
    if case .outputGroups = layer.base.scheme.granularity { return true }
    return false
  }

  /// Scales of a task that trains fewer planes than the layer, with the others as they were found.
  fileprivate func completed(_ scales: Tensor<Float>) -> Tensor<Float> {
    guard let layer = layer as? AlphaTuningLinear, scales.rank == 3,
      scales.shape[2] < layer.trainedPlanes,
      scales.shape[0] == layer.scales.shape[0], scales.shape[1] == layer.scales.shape[1]
    else { return scales }
    let rest = layer.initialScales.sliced(scales.shape[2]..<layer.trainedPlanes, axis: -1)
    return .concatenating([scales, rest], axis: -1)
  }

  /// Between the layer's order and the file's, which has groups of outputs by column.
  fileprivate func stored(_ scales: Tensor<Float>) -> Tensor<Float> {
    isByInput ? scales.transposed() : scales
  }
}

// MARK: - Making them

extension Module {
  /// Puts a PEQA layer in the place of every packed linear layer.
  ///
  /// - Parameter isIncluded: which layers, by their path; all by default.
  /// - Returns: how many there are.
  /// - Throws: `ModuleError` if a layer's owner does not let it be replaced.
  @discardableResult
  public func usePEQA(
    where isIncluded: (_ path: String) -> Bool = { _ in true }
  ) throws(ModuleError) -> Int {
    var count = 0
    for (path, layer) in namedLinearLayers() where isIncluded(path) {
      guard let packed = layer as? PackedLinear else { continue }
      try replaceLayer(
        at: path,
        with: PEQALinear(packed.weight, bias: packed.bias, inputQuantizer: packed.inputQuantizer)
      )
      count += 1
    }
    return count
  }

  /// Puts an AlphaTuning layer in the place of every linear layer of binary codes.
  ///
  /// - Parameters:
  ///   - trainedPlanes: how many planes' scales are trained; at most the planes of the codes.
  ///   - gradientDivisor: what the gradient of the scales is divided by.
  ///   - isIncluded: which layers, by their path; all by default.
  /// - Returns: how many there are.
  /// - Throws: `ModuleError` if a layer's owner does not let it be replaced.
  @discardableResult
  public func useAlphaTuning(
    trainedPlanes: Int = 1,
    gradientDivisor: AlphaTuningLinear.GradientDivisor = .groupSize,
    where isIncluded: (_ path: String) -> Bool = { _ in true }
  ) throws(ModuleError) -> Int {
    var count = 0
    for (path, layer) in namedLinearLayers() where isIncluded(path) {
      guard let coded = layer as? BinaryCodedLinear else { continue }
      let tuned = AlphaTuningLinear(
        coded.weight,
        bias: coded.bias,
        trainedPlanes: trainedPlanes,
        gradientDivisor: gradientDivisor
      )
      try replaceLayer(at: path, with: tuned)
      count += 1
    }
    return count
  }

  /// Codes every linear layer in binary planes, and puts an AlphaTuning layer in its place.
  ///
  /// - Parameters:
  ///   - coding: how planes are found.
  ///   - trainedPlanes: how many planes' scales are trained.
  ///   - gradientDivisor: what the gradient of the scales is divided by.
  ///   - isIncluded: which layers, by their path; those inside blocks, say.
  ///   - progress: gets each path before its layer is coded; false stops.
  /// - Returns: how many there are.
  /// - Throws: `ModuleError`, `QuantizationError`.
  @discardableResult
  public func useAlphaTuning(
    _ coding: BinaryCoding,
    trainedPlanes: Int = 1,
    gradientDivisor: AlphaTuningLinear.GradientDivisor = .groupSize,
    where isIncluded: (_ path: String) -> Bool,
    progress: (_ path: String) -> Bool = { _ in true }
  ) throws -> Int {
    var count = 0
    for (path, layer) in namedLinearLayers() where isIncluded(path) {
      guard progress(path) else { throw QuantizationError.cancelled }
      let coded = try coding.quantize(layer.denseWeight(), layer: path)
      let bias = layer.denseBias()
      try replaceLayer(
        at: path,
        with: AlphaTuningLinear(
          coded,
          bias: bias.elements.allSatisfy { $0 == 0 } ? nil : bias,
          trainedPlanes: trainedPlanes,
          gradientDivisor: gradientDivisor
        )
      )
      count += 1
    }
    return count
  }
}
