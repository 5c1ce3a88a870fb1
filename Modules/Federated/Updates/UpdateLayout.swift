public import Tensor

/// The numbers of an update in their order on the wire: what both sides know from the plan.
///
/// Tensors follow each other in the local model's order; of a masked one only the covered entries
/// are sent, in row-major order.
public struct UpdateLayout: Hashable, Sendable {
  /// One tensor of an update.
  public struct Item: Hashable, Sendable {
    /// The name in the local model.
    public let name: String
    /// The local shape.
    public let shape: Shape
    /// The entries that are sent; nil for all.
    public let mask: BitSet?
    /// Where its first number lies.
    public let start: Int
    /// How many numbers it has.
    public let count: Int

    /// Where its rows end, from its start on: those that share a scale.
    var ends: [Int] { mask == nil ? QuantizedRows.ends(of: shape, .row) : [count] }
  }

  /// The tensors in order.
  public let items: [Item]
  /// How many numbers there are.
  public let count: Int
  /// A number that differs, as good as always, where layouts differ.
  public let fingerprint: UInt64

  /// The layout of updates of a local model.
  public init(_ local: LocalModel) {
    self.init(local.parameters, masks: local.masks)
  }

  /// The layout of tensors of which some are masked.
  public init(_ parameters: ParameterSet, masks: [String: BitSet] = [:]) {
    var items: [Item] = []
    var start = 0
    var hash = WireHash()
    for (name, shape) in parameters.shapes {
      let mask = masks[name]
      let count = mask?.setCount ?? shape.count
      items.append(Item(name: name, shape: shape, mask: mask, start: start, count: count))
      start += count
      hash.add(Array(name.utf8))
      for number in [shape.rank] + shape.extents + [mask == nil ? 0 : 1] {
        hash.add(UInt64(number))
      }
      for word in mask?.words ?? [] { hash.add(word) }
    }
    self.items = items
    count = start
    fingerprint = hash.value
  }

  /// The numbers of an update in the order of the wire.
  ///
  /// - Throws: `FederatedError` with the first tensor that does not fit.
  public func flattened(_ delta: ParameterSet) throws(FederatedError) -> [Float] {
    if let extra = delta.names.first(where: { name in !items.contains { $0.name == name } }) {
      throw .unexpectedParameter(name: extra, known: items.map(\.name))
    }
    var values: [Float] = []
    values.reserveCapacity(count)
    for item in items {
      let tensor = try delta.tensor(item.name)
      guard tensor.shape == item.shape else {
        throw .shapeMismatch(name: item.name, expected: item.shape, found: tensor.shape)
      }
      tensor.withUnsafeElements { elements in
        if let mask = item.mask {
          mask.forEachSet { values.append(elements[$0]) }
        } else {
          values.append(contentsOf: elements)
        }
      }
    }
    return values
  }

  /// The update that numbers in the order of the wire mean.
  public func unflattened(_ values: [Float]) -> ParameterSet {
    expect(values.count == count, "update layout: \(values.count) numbers, \(count) are needed")
    return ParameterSet(
      items.map { item in
        guard let mask = item.mask else {
          let range = item.start..<item.start + item.count
          return (item.name, Tensor(Array(values[range]), shape: item.shape))
        }
        var tensor = Tensor<Float>.zeros(item.shape)
        tensor.withUnsafeMutableElements { elements in
          var next = item.start
          mask.forEachSet {
            elements[$0] = values[next]
            next += 1
          }
        }
        return (item.name, tensor)
      }
    )
  }
}

/// FNV-1a over bytes: finds accidents and mix-ups, not attacks.
struct WireHash {
  private(set) var value: UInt64 = 0xCBF2_9CE4_8422_2325

  mutating func add(_ bytes: some Sequence<UInt8>) {
    for byte in bytes { value = (value ^ UInt64(byte)) &* 0x100_0000_01B3 }
  }

  mutating func add(_ number: UInt64) {
    add((0..<8).map { UInt8(truncatingIfNeeded: number >> UInt64(8 * $0)) })
  }
}
