import Crypto
public import Federated
import Quantization
import Tensor

#if canImport(FoundationEssentials)
  import FoundationEssentials
#else
  import Foundation
#endif

// The bytes of a device's model, little-endian:
//
//     "AFM1"      4 bytes
//     length      4 bytes: of the header
//     header      JSON: plan, global shapes, slices, masks, forms, tensors
//     tensors     4 bytes a number, in the header's order
//     masks       8 bytes for every 64 entries, in the header's order
//     codes       a float step size for each row, then the codes from the lowest bit up, row by row,
//                 each row padded to bytes; in the header's order
//     digest      32 bytes: SHA-256 of everything before

/// Why bytes are no model.
public struct LocalModelEncodingError: Error, Hashable, Sendable, CustomStringConvertible {
  /// What is wrong.
  public let reason: String

  /// What is wrong, and what to do.
  public var description: String { "model: \(reason); fetch it again" }
}

extension LocalModel {
  private static let magic: [UInt8] = Array("AFM1".utf8)

  /// What the header says.
  private struct Header: Codable {
    struct Entry: Codable {
      var name: String
      var shape: [Int]
    }
    struct Slice: Codable {
      var name: String
      /// Of each axis its extent, and begin and end of every kept run; nil for the whole parameter.
      var axes: [[Int]]?
    }
    struct Mask: Codable {
      var name: String
      var count: Int
    }
    struct Form: Codable {
      var name: String
      var kind: String
      var bits: Int?
      var rank: Int?
      var rows: Int?
      var columns: Int?
    }
    var plan: DevicePlan
    var globals: [Entry]
    var slices: [Slice]
    var masks: [Mask]
    var forms: [Form]
    var tensors: [Entry]
  }

  /// The bytes of the model: what a device needs to train it, and nothing else of the global one.
  public func encoded() -> [UInt8] {
    let masked = masks.sorted { $0.key < $1.key }
    let formed = forms.sorted { $0.key < $1.key }
    let header = Header(
      plan: plan,
      globals: globalShapes.map { .init(name: $0.name, shape: $0.shape.extents) },
      slices: slices.names.map { .init(name: $0, axes: slices[$0].flatMap(Self.axes)) },
      masks: masked.map { .init(name: $0.key, count: $0.value.count) },
      forms: formed.map { Self.form($0.key, $0.value) },
      tensors: parameters.shapes.map { .init(name: $0.name, shape: $0.shape.extents) }
    )
    let text = ServiceJSON.encoded(header)
    var bytes = Self.magic
    bytes.append(littleEndian: UInt32(text.count))
    bytes += text
    for tensor in parameters.tensors {
      tensor.withUnsafeElements { $0.forEach { bytes.append(littleEndian: $0.bitPattern) } }
    }
    for (_, mask) in masked { mask.words.forEach { bytes.append(littleEndian: $0) } }
    for (_, form) in formed {
      guard let codes = form.codes else { continue }
      codes.stepSizes.elements.forEach { bytes.append(littleEndian: $0.bitPattern) }
      bytes.append(rows: codes.codes(), bits: codes.scheme.grid.bits)
    }
    return bytes + Array(SHA256.hash(data: bytes))
  }

  private static func axes(_ slice: Coverage) -> [[Int]]? {
    guard case .box(let axes) = slice else { return nil }
    return axes.map { axis in [axis.extent] + axis.runs.flatMap { [$0.lowerBound, $0.upperBound] } }
  }

  private static func form(_ name: String, _ form: LocalForm) -> Header.Form {
    switch form {
    case .fakeQuantized(let bits): Header.Form(name: name, kind: "fake", bits: bits)
    case .factors(let rank): Header.Form(name: name, kind: "factors", rank: rank)
    case .scales(let codes): Self.form(name, "scales", codes, rank: nil)
    case .adapter(let codes, let rank): Self.form(name, "adapter", codes, rank: rank)
    }
  }

  private static func form(
    _ name: String,
    _ kind: String,
    _ codes: QuantizedMatrix,
    rank: Int?
  ) -> Header.Form {
    Header.Form(
      name: name,
      kind: kind,
      bits: codes.scheme.grid.bits,
      rank: rank,
      rows: codes.shape[0],
      columns: codes.shape[1]
    )
  }
}

// MARK: - Decoding

extension LocalModel {
  /// The model that bytes hold.
  ///
  /// Whatever the bytes are, no more memory is taken than a few times their number.
  ///
  /// - Throws: `LocalModelEncodingError`.
  public init(decoding bytes: [UInt8]) throws(LocalModelEncodingError) {
    var reader = try ModelReader(bytes, magic: Self.magic)
    let header: Header
    do {
      header = try JSONDecoder().decode(Header.self, from: Data(try reader.header()))
    } catch let error as LocalModelEncodingError {
      throw error
    } catch {
      throw LocalModelEncodingError(reason: "its header cannot be read")
    }
    do throws(FederatedError) { try header.plan.check() } catch {
      throw LocalModelEncodingError(reason: "\(error)")
    }
    let globals = try header.globals.map { (entry) throws(LocalModelEncodingError) in
      GlobalShape(name: entry.name, shape: try Self.shape(entry.shape, entry.name))
    }
    var parameters = ParameterSet()
    for entry in header.tensors {
      guard parameters[entry.name] == nil else {
        throw LocalModelEncodingError(reason: "'\(entry.name)' comes twice")
      }
      let shape = try Self.shape(entry.shape, entry.name)
      parameters[entry.name] = Tensor(try reader.floats(shape.count), shape: shape)
    }
    var masks: [String: BitSet] = [:]
    for mask in header.masks { masks[mask.name] = try reader.mask(mask.count, mask.name) }
    var forms: [String: LocalForm] = [:]
    for form in header.forms { forms[form.name] = try Self.form(form, &reader) }
    try reader.finish()
    self.init(
      parameters: parameters,
      plan: header.plan,
      slices: try Self.slices(header.slices, globals),
      forms: forms,
      globalShapes: globals
    )
    for (name, mask) in masks {
      guard let slice = slices[name], let global = globalShape(name),
        slice.partShape(of: global).count == mask.count
      else { throw LocalModelEncodingError(reason: "the mask of '\(name)' does not fit") }
      cover(name, mask)
    }
    try checkParts()
  }

  private static func shape(
    _ extents: [Int],
    _ name: String
  ) throws(LocalModelEncodingError) -> Shape {
    guard let shape = Shape(validating: extents) else {
      throw LocalModelEncodingError(reason: "'\(name)' has the shape \(extents)")
    }
    return shape
  }

  private static func slices(
    _ list: [Header.Slice],
    _ globals: [GlobalShape]
  ) throws(LocalModelEncodingError) -> CoverageSet {
    var result = CoverageSet()
    for slice in list {
      guard let shape = globals.first(where: { $0.name == slice.name })?.shape else {
        throw LocalModelEncodingError(reason: "a slice of '\(slice.name)', which it does not name")
      }
      guard let axes = slice.axes else {
        result[slice.name] = .full
        continue
      }
      let found = axes.compactMap(Self.axis)
      let coverage = Coverage.box(found)
      guard found.count == axes.count, coverage.fits(shape) else {
        throw LocalModelEncodingError(reason: "the slice of '\(slice.name)' does not fit \(shape)")
      }
      result[slice.name] = coverage
    }
    return result
  }

  /// The kept indices of an axis; nil unless its runs ascend within the extent.
  private static func axis(_ numbers: [Int]) -> AxisIndices? {
    guard let extent = numbers.first, extent >= 0, numbers.count % 2 == 1 else { return nil }
    var (runs, last): ([Range<Int>], Int) = ([], 0)
    for place in stride(from: 1, to: numbers.count, by: 2) {
      let (lower, upper) = (numbers[place], numbers[place + 1])
      guard lower >= last, upper > lower, upper <= extent else { return nil }
      runs.append(lower..<upper)
      last = upper
    }
    return AxisIndices(runs: runs, of: extent)
  }

  private static func form(
    _ form: Header.Form,
    _ reader: inout ModelReader
  ) throws(LocalModelEncodingError) -> LocalForm {
    switch (form.kind, form.bits, form.rank) {
    case ("fake", let bits?, _) where (2...8).contains(bits): return .fakeQuantized(bits: bits)
    case ("factors", _, let rank?) where rank > 0: return .factors(rank: rank)
    case ("scales", let bits?, _) where (2...8).contains(bits):
      return .scales(try reader.codes(form.rows ?? 0, form.columns ?? 0, bits: bits))
    case ("adapter", let bits?, let rank?) where (2...8).contains(bits) && rank > 0:
      return .adapter(try reader.codes(form.rows ?? 0, form.columns ?? 0, bits: bits), rank: rank)
    default: throw LocalModelEncodingError(reason: "'\(form.name)' has an unknown form")
    }
  }

  /// Stops unless every parameter, or what stands for it, has the shape that its slice demands.
  private func checkParts() throws(LocalModelEncodingError) {
    var expected: [String: Shape] = [:]
    for global in globalShapes {
      guard let slice = slices[global.name] else { continue }
      let part = slice.partShape(of: global.shape)
      let rows = part.rank > 0 ? part[0] : 1
      let columns = part.count / max(rows, 1)
      switch forms[global.name] {
      case nil, .fakeQuantized?: expected[global.name] = part
      case .scales(let codes)?:
        try require(codes.shape == [rows, columns], global.name)
        expected[global.name + ".scales"] = [rows, 1]
      case .adapter(let codes, let rank)?:
        try require(codes.shape == [rows, columns], global.name)
        expected[global.name + ".up"] = [rows, rank]
        expected[global.name + ".down"] = [rank, columns]
      case .factors(let rank)?:
        expected[global.name + ".left"] = [rows, rank]
        expected[global.name + ".right"] = [rank, columns]
      }
    }
    try require(expected.count == parameters.count, "the list of tensors")
    for (name, shape) in parameters.shapes { try require(expected[name] == shape, name) }
  }

  private func require(_ condition: Bool, _ name: String) throws(LocalModelEncodingError) {
    guard condition else { throw LocalModelEncodingError(reason: "'\(name)' does not fit") }
  }
}

extension LocalForm {
  /// The frozen codes; nil for forms without.
  fileprivate var codes: QuantizedMatrix? {
    switch self {
    case .scales(let codes), .adapter(let codes, _): codes
    case .fakeQuantized, .factors: nil
    }
  }
}
