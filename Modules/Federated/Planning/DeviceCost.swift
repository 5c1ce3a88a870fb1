import Tensor

// With P parameters on the device, A activations and F forward operations for a sample, b bits:
//
//     memory = 4 P (1 + 1 + momentum) + 4 A · batch + b P / 8      (without 4 P for frozen codes)
//     compute = 3 F n E,   time = compute / flops + down / downlink + up / uplink

/// What a plan costs on a device.
public struct DeviceCost: Codable, Hashable, Sendable {
  /// Numbers that are trained, each with a gradient of the same size.
  public var trainedCount: Int
  /// Numbers that are held as codes, and are not trained.
  public var frozenCount: Int
  /// The bits of codes and masks that lie beside the floats.
  public var codeBits: Int
  /// The numbers that a forward pass keeps for each sample.
  public var activationsPerSample: Int
  /// The operations of a forward pass for each sample.
  public var forwardOperations: Double
  /// What the device receives.
  public var downlinkBytes: Int
  /// What it sends.
  public var uplinkBytes: Int

  /// The bytes that training needs.
  public func memoryBytes(batchSize: Int, hasMomentum: Bool = false) -> Int {
    4 * trainedCount * (hasMomentum ? 3 : 2) + 4 * activationsPerSample * batchSize
      + (codeBits + 7) / 8
  }

  /// The operations of `epochs` passes over `exampleCount` examples.
  ///
  /// The backward pass counts as two forward passes.
  public func operations(exampleCount: Int, epochs: Int) -> Double {
    3 * forwardOperations * Double(exampleCount) * Double(epochs)
  }

  /// The seconds of a round on a device: down, training, up.
  public func seconds(
    on profile: DeviceProfile,
    exampleCount: Int,
    epochs: Int
  ) -> Double {
    operations(exampleCount: exampleCount, epochs: epochs) / profile.flopsPerSecond
      + Double(downlinkBytes) / profile.downlinkBytesPerSecond
      + Double(uplinkBytes) / profile.uplinkBytesPerSecond
  }
}

extension DeviceCost {
  /// What a plan costs, from the wiring of the model.
  ///
  /// Masks save traffic, not memory or work: tensors stay dense on the device. An energy of singular
  /// values counts as the largest rank that saves anything, since it depends on the weights.
  public init(_ model: ModelDescription, plan: DevicePlan) {
    let sizes = LocalSizes(model, plan: plan)
    trainedCount = 0
    frozenCount = 0
    codeBits = 0
    var (sent, received) = (0, 0)
    for size in sizes.parameters {
      trainedCount += size.trained
      frozenCount += size.frozen
      codeBits += size.codeBits
      sent += size.sent
      received += size.receivedBytes
    }
    (activationsPerSample, forwardOperations) = sizes.work()
    downlinkBytes = received
    uplinkBytes = plan.update.byteCount(of: sent)
    if plan.mask != nil { uplinkBytes += (codeBits + 7) / 8 }
  }
}

extension UpdatePlan {
  /// The bytes of an update of `count` numbers; an entry of a sparse one has two more for its place.
  func byteCount(of count: Int) -> Int {
    guard let topShare else { return (count * bits + 7) / 8 }
    let kept = topShare.ceiling(of: count)
    return kept * 2 + (kept * bits + 7) / 8
  }
}

/// The sizes of the tensors on a device.
struct LocalSizes {
  struct Parameter {
    let name: String
    /// The extents of the local tensor.
    let extents: [Int]
    /// r of the factors in its place; nil for the tensor itself.
    var rank: Int?
    var (trained, frozen, codeBits, sent, receivedBytes) = (0, 0, 0, 0, 0)

    init(name: String, extents: [Int]) {
      (self.name, self.extents) = (name, extents)
    }
  }

  let model: ModelDescription
  let plan: DevicePlan
  private(set) var parameters: [Parameter] = []

  init(_ model: ModelDescription, plan: DevicePlan) {
    self.model = model
    self.plan = plan
    let matrices = Set(model.matrices)
    let hidden = Set(model.hiddenMatrices)
    for parameter in model.parameters where plan.keeps(parameter.role, of: model) {
      let extents = parameter.axes.map(extent)
      var size = Parameter(name: parameter.name, extents: extents)
      let count = extents.reduce(1, *)
      (size.trained, size.sent, size.receivedBytes) = (count, count, 4 * count)
      if let mask = plan.mask, hidden.contains(parameter.name) {
        size.sent = mask.keptCount(of: count)
        size.codeBits = count
        size.receivedBytes = 4 * size.sent + (count + 7) / 8
      }
      if matrices.contains(parameter.name) {
        let inputs = extents.dropFirst().reduce(1, *)
        if let lowBit = plan.lowBit { size.apply(lowBit, rows: extents[0], columns: inputs) }
        if let rank = plan.rank { size.apply(rank, rows: extents[0], columns: inputs) }
      }
      parameters.append(size)
    }
  }

  /// The extent of an axis on the device.
  func extent(_ axis: AxisWiring) -> Int {
    model.extent(of: axis) { plan.width?.rate.ceiling(of: $0.count) ?? $0.count }
  }

  /// Activations and forward operations for a sample.
  func work() -> (activations: Int, operations: Double) {
    let sizes = Dictionary(uniqueKeysWithValues: parameters.map { ($0.name, $0) })
    var (activations, operations) = (0, 0.0)
    for layer in model.layers where plan.keeps(layer.role, of: model) {
      let outputs = extent(layer.output)
      activations += outputs * layer.positions
      switch layer.work {
      case .elementwise, .lookup: break
      case .attention:
        operations += 4 * Double(layer.positions * layer.positions) * Double(outputs)
      case .product:
        let weights = layer.parameters.compactMap { sizes[$0]?.productSize }
        operations += 2 * Double(weights.reduce(0, +)) * Double(layer.positions)
      }
    }
    return (activations, operations)
  }
}

extension LocalSizes.Parameter {
  fileprivate mutating func apply(_ plan: LowBitPlan, rows: Int, columns: Int) {
    let count = rows * columns
    codeBits = plan.bits * count
    switch plan.training {
    case .fakeQuantized: return
    case .scales: (trained, sent) = (rows, rows)
    case .adapter(let rank): (trained, sent) = (rank * (rows + columns), rank * (rows + columns))
    }
    frozen = count
    receivedBytes = (codeBits + 7) / 8 + 4 * (rows + (trained == rows ? 0 : trained))
  }

  fileprivate mutating func apply(_ plan: RankPlan, rows: Int, columns: Int) {
    let largest = (rows * columns - 1) / (rows + columns)
    let wanted = if case .fixed(let rank) = plan { min(rank, min(rows, columns)) } else { largest }
    guard wanted > 0, wanted <= largest else { return }
    rank = wanted
    (trained, sent) = (wanted * (rows + columns), wanted * (rows + columns))
    receivedBytes = 4 * trained
  }

  /// The entries of the matrices that a product multiplies with.
  var productSize: Int {
    rank == nil ? extents.reduce(1, *) : trained
  }
}

extension MaskPlan {
  /// How many of the entries of a tensor are kept, regrown ones included.
  func keptCount(of count: Int) -> Int {
    let kept =
      switch scope {
      case .global, .layer: density.ceiling(of: count)
      case .neighbours(let kept, let group): Rate(kept, of: group).ceiling(of: count)
      }
    return min(count, kept + (regrowth?.ceiling(of: count) ?? 0))
  }
}

extension DevicePlan {
  /// Whether a device under this plan has what is used at a place of the network.
  ///
  /// After a cut in depth, the exit of that depth takes the place of the head, if there is one.
  public func keeps(_ role: ParameterRole, of model: ModelDescription) -> Bool {
    let isCut = depth.map { $0 < model.blockCount } ?? false
    switch role {
    case .stem: return true
    case .block(let index): return !isCut || index < (depth ?? 0)
    case .exit(let blocks): return isCut && blocks == depth
    case .head:
      return !isCut || !model.parameters.contains { $0.role == .exit(depth ?? 0) }
    }
  }
}
