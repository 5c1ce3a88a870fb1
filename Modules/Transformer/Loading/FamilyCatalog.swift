import Checkpoints
import Tensor

/// The tensors of a file under the names, and in the rows, of the family.
///
/// Files differ from the family in prefixes, in GGUF's names, in matrices that are stored transposed
/// or on top of each other, and in the order of rotary rows. Everything is put right as it is read.
struct FamilyCatalog: TensorCatalog {
  let path: String
  let tensorNames: [String]
  private let base: any TensorCatalog
  private let sources: [String: Source]

  /// Where a tensor comes from, and what happens to it on the way.
  private struct Source {
    var stored: String
    var change = Change.none
  }

  private enum Change {
    case none
    /// Part `index` of `count` equal parts of the columns, transposed: of the last axis for vectors.
    case transposedPart(index: Int, count: Int)
    /// Part `index` of `count` equal parts of the rows.
    case rowPart(index: Int, count: Int)
    /// Rotary pairs are adjacent rows of each head.
    case adjacentPairs(headWidth: Int)
    /// The tensor holds 1 + weight.
    case onePlus
  }

  /// The tensors of a Hugging Face folder.
  init(_ base: any TensorCatalog, _ configuration: TransformerConfiguration) {
    let names = configuration.family.names
    let prefix = names.prefixes[0]
    let embedding = names.tensor("embedding.weight")
    let found =
      names.prefixes.first { other in
        base.describe(Self.renamed(embedding, from: prefix, to: other)) != nil
      } ?? prefix
    var sources: [String: Source] = [:]
    for tensor in configuration.tensors {
      let stored = Self.renamed(tensor.name, from: prefix, to: found)
      sources[tensor.name] =
        base.describe(stored) != nil
        ? Source(stored: stored)
        : Self.conv1D(stored, names) ?? Source(stored: Self.legacy(stored, base))
    }
    self.init(base, configuration, sources)
  }

  /// The tensors of a GGUF file.
  init(_ file: GGUFFile, _ configuration: TransformerConfiguration, _ format: GGUFFormat) {
    var sources: [String: Source] = [:]
    for tensor in configuration.tensors {
      let found = Self.ggufSource(tensor.path, configuration, format)
      var source = Source(stored: found.name)
      if let width = found.pairWidth { source.change = .adjacentPairs(headWidth: width) }
      if found.storesOnePlus { source.change = .onePlus }
      if let part = found.part {
        source.change = .rowPart(index: part.index, count: part.count)
      }
      sources[tensor.name] = source
    }
    self.init(file, configuration, sources)
  }

  /// Where a GGUF file holds a tensor, and how.
  struct GGUFSource {
    /// The name in the file.
    var name: String
    /// The width of heads whose rotary pairs are adjacent rows there.
    var pairWidth: Int?
    /// Whether 1 + weight is stored.
    var storesOnePlus = false
    /// Which of several equal parts of the rows it is.
    var part: (index: Int, count: Int)?

    /// Whether parts of the same tensor come before it.
    var isLaterPart: Bool { (part?.index ?? 0) > 0 }
  }

  /// Where a GGUF file holds the tensor at a path of the module.
  static func ggufSource(
    _ path: String,
    _ configuration: TransformerConfiguration,
    _ format: GGUFFormat
  ) -> GGUFSource {
    var source = GGUFSource(name: format.names.tensor(path))
    let part = path.split(separator: ".").dropLast().last.map(String.init)
    if format.hasAdjacentPairs && (part == "query" || part == "key") {
      source.pairWidth = configuration.headWidth
    }
    source.storesOnePlus =
      format.storesOnePlus && (path.contains("norm.") || path.contains("Norm."))
    if let part, let fusion = format.fusion(of: part),
      let index = fusion.parts.firstIndex(of: part)
    {
      let stored = source.name.split(separator: ".").map(String.init)
      source.name = (stored.dropLast(2) + [fusion.stored] + stored.suffix(1)).joined(separator: ".")
      source.part = (index, fusion.parts.count)
    }
    return source
  }

  private init(
    _ base: any TensorCatalog,
    _ configuration: TransformerConfiguration,
    _ sources: [String: Source]
  ) {
    path = base.path
    self.base = base
    self.sources = sources
    let known = configuration.tensorNames.filter { name in
      sources[name].map { base.describe($0.stored) != nil } == true
    }
    let used = Set(sources.values.map(\.stored))
    tensorNames = known + base.tensorNames.filter { !used.contains($0) }
  }

  private static func renamed(_ name: String, from prefix: String, to other: String) -> String {
    name.hasPrefix(prefix) ? other + name.dropFirst(prefix.count) : name
  }

  /// The place of a tensor in a matrix that is stored [inputs × outputs]; nil if it is in none.
  private static func conv1D(_ name: String, _ names: TensorNames) -> Source? {
    guard let dot = name.lastIndex(of: ".") else { return nil }
    for (stored, parts) in names.conv1D {
      for (index, part) in parts.enumerated() where name[..<dot].hasSuffix("." + part) {
        return Source(
          stored: name[..<dot].dropLast(part.count) + stored + name[dot...],
          change: .transposedPart(index: index, count: parts.count)
        )
      }
    }
    return nil
  }

  /// The name that the oldest BERT files have for a norm's parameters.
  private static func legacy(_ name: String, _ base: any TensorCatalog) -> String {
    for (new, old) in [(".weight", ".gamma"), (".bias", ".beta")] where name.hasSuffix(new) {
      let older = String(name.dropLast(new.count)) + old
      if name.contains("LayerNorm"), base.describe(older) != nil { return older }
    }
    return name
  }
}

extension FamilyCatalog {
  /// What the tensor of that name is; a name that is none of the family's is looked up as it is.
  func describe(_ name: String) -> TensorDescription? {
    let source = sources[name] ?? Source(stored: name)
    guard var found = base.describe(source.stored) else { return nil }
    switch source.change {
    case .none, .adjacentPairs, .onePlus: break
    case .transposedPart(_, let count):
      let extents = found.shape.extents
      guard let last = extents.last, last % count == 0 else { return found }
      found.shape = Shape([last / count] + extents.dropLast())
      found.byteCount /= count
    case .rowPart(_, let count):
      let extents = found.shape.extents
      guard let first = extents.first, first % count == 0 else { return found }
      found.shape = Shape([first / count] + extents.dropFirst())
      found.byteCount /= count
    }
    return found
  }

  func floats(_ name: String) throws(CheckpointError) -> Tensor<Float> {
    let source = sources[name] ?? Source(stored: name)
    let tensor = try base.floats(source.stored)
    if case .onePlus = source.change { return tensor - 1 }
    return try changed(tensor, source)
  }

  func tensor<Element: TensorElement>(
    _ name: String,
    as type: Element.Type
  ) throws(CheckpointError) -> Tensor<Element> {
    let source = sources[name] ?? Source(stored: name)
    if case .onePlus = source.change, let floats = try floats(name) as? Tensor<Element> {
      return floats
    }
    return try changed(base.tensor(source.stored, as: type), source)
  }

  func weightMatrix(_ name: String) throws(CheckpointError) -> WeightMatrix {
    let source = sources[name] ?? Source(stored: name)
    return switch try base.weightMatrix(source.stored) {
    case .float32(let tensor): .float32(try changed(tensor, source))
    case .float16(let tensor): .float16(try changed(tensor, source))
    case .bfloat16(let tensor): .bfloat16(try changed(tensor, source))
    }
  }

  /// Rows are put right as the blocks are read; transposed matrices have no blocks of their rows.
  func interleavedMatrix(
    _ name: String,
    rowOrder: [Int32]?
  ) throws(CheckpointError) -> InterleavedMatrix? {
    let source = sources[name] ?? Source(stored: name)
    guard let rows = base.describe(source.stored)?.shape.extents.first else {
      return try base.interleavedMatrix(source.stored, rowOrder: rowOrder)
    }
    var order: [Int32]?
    switch source.change {
    case .none: order = nil
    case .transposedPart, .onePlus: return nil
    case .rowPart(let index, let count):
      guard rows % count == 0 else { return nil }
      let share = rows / count
      order = (index * share..<(index + 1) * share).map { Int32($0) }
    case .adjacentPairs(let width):
      guard rows % width == 0 else { return nil }
      order = Self.halvesOfHeads(rows: rows, width: width)
    }
    guard let rowOrder else { return try base.interleavedMatrix(source.stored, rowOrder: order) }
    let places = order.map { order in rowOrder.map { order[Int($0)] } } ?? rowOrder
    return try base.interleavedMatrix(source.stored, rowOrder: places)
  }

  /// Row 2i + s of a head becomes row i + s·d/2.
  private static func halvesOfHeads(rows: Int, width: Int) -> [Int32] {
    (0..<rows).map { row in
      let (head, place) = (row / width, row % width)
      return Int32(head * width + place % (width / 2) * 2 + place / (width / 2))
    }
  }

  private func changed<Element: TensorElement>(
    _ tensor: Tensor<Element>,
    _ source: Source
  ) throws(CheckpointError) -> Tensor<Element> {
    switch source.change {
    case .none, .onePlus:
      return tensor
    case .adjacentPairs(let width):
      guard tensor.rank > 0, tensor.shape[0] % width == 0 else { return tensor }
      let order = Self.halvesOfHeads(rows: tensor.shape[0], width: width)
      return tensor.rows(order)
    case .transposedPart(let index, let count):
      let rows = tensor.rank == 2 ? tensor.transposed() : tensor
      return try part(index, of: count, rows, source)
    case .rowPart(let index, let count):
      return try part(index, of: count, tensor, source)
    }
  }

  private func part<Element: TensorElement>(
    _ index: Int,
    of count: Int,
    _ tensor: Tensor<Element>,
    _ source: Source
  ) throws(CheckpointError) -> Tensor<Element> {
    guard tensor.rank > 0, tensor.shape[0] % count == 0 else {
      throw .malformed(
        path: path,
        tensor: source.stored,
        offset: nil,
        reason: "the shape \(tensor.shape) does not consist of \(count) equal parts"
      )
    }
    let rows = tensor.shape[0] / count
    return tensor[index * rows..<(index + 1) * rows]
  }
}
