import Foundation

extension FlowerValue {
  /// The value of a metric; nil when a newer server sent a type that this version does not know.
  init?(_ wire: WireMetricRecordValue) {
    guard let value = wire.value else { return nil }
    switch value {
    case .double(let value): self = .double(value)
    case .sint64(let value): self = .integer(value)
    case .uint64(let value): self = .unsigned(value)
    case .doubleList(let list): self = .doubles(list.vals)
    case .sintList(let list): self = .integers(list.vals)
    case .uintList(let list): self = .unsigneds(list.vals)
    }
  }

  /// The value of a setting; nil when a newer server sent a type that this version does not know.
  init?(_ wire: WireConfigRecordValue) {
    guard let value = wire.value else { return nil }
    switch value {
    case .double(let value): self = .double(value)
    case .sint64(let value): self = .integer(value)
    case .uint64(let value): self = .unsigned(value)
    case .bool(let value): self = .truth(value)
    case .string(let value): self = .text(value)
    case .bytes(let value): self = .bytes(Array(value))
    case .doubleList(let list): self = .doubles(list.vals)
    case .sintList(let list): self = .integers(list.vals)
    case .uintList(let list): self = .unsigneds(list.vals)
    case .boolList(let list): self = .truths(list.vals)
    case .stringList(let list): self = .texts(list.vals)
    case .bytesList(let list): self = .byteLists(list.vals.map { Array($0) })
    }
  }

  /// The value of a run's configuration; nil when its type is not known.
  init?(_ wire: WireScalar) {
    guard let value = wire.scalar else { return nil }
    switch value {
    case .double(let value): self = .double(value)
    case .sint64(let value): self = .integer(value)
    case .uint64(let value): self = .unsigned(value)
    case .bool(let value): self = .truth(value)
    case .string(let value): self = .text(value)
    case .bytes(let value): self = .bytes(Array(value))
    }
  }

  /// The value as a metric; nil when metrics do not have its type.
  var metric: WireMetricRecordValue? {
    var wire = WireMetricRecordValue()
    switch self {
    case .double(let value): wire.double = value
    case .integer(let value): wire.sint64 = value
    case .unsigned(let value): wire.uint64 = value
    case .doubles(let values): wire.doubleList.vals = values
    case .integers(let values): wire.sintList.vals = values
    case .unsigneds(let values): wire.uintList.vals = values
    case .truth, .text, .bytes, .truths, .texts, .byteLists: return nil
    }
    return wire
  }

  /// The value as a setting.
  var setting: WireConfigRecordValue {
    var wire = WireConfigRecordValue()
    switch self {
    case .double(let value): wire.double = value
    case .integer(let value): wire.sint64 = value
    case .unsigned(let value): wire.uint64 = value
    case .truth(let value): wire.bool = value
    case .text(let value): wire.string = value
    case .bytes(let value): wire.bytes = Data(value)
    case .doubles(let values): wire.doubleList.vals = values
    case .integers(let values): wire.sintList.vals = values
    case .unsigneds(let values): wire.uintList.vals = values
    case .truths(let values): wire.boolList.vals = values
    case .texts(let values): wire.stringList.vals = values
    case .byteLists(let values): wire.bytesList.vals = values.map { Data($0) }
    }
    return wire
  }
}
