public import Tensor

/// A table of vectors, looked up by number: tokens, positions, classes.
///
/// The table may serve as a head's weight too: `Linear(weight: embedding.weight)`.
///
/// - Shapes: weight [V × D], ids […] of 0 ..< V, result [… × D].
public final class Embedding: Module {
  /// The table [V × D].
  public let weight: Parameter
  /// The row of ids that stand for nothing, which gets no gradient; nil for none.
  public let paddingIndex: Int32?

  /// A layer over a table [V × D], which is taken as it is.
  public init(weight: Parameter, paddingIndex: Int32? = nil) {
    expect(weight.shape.rank == 2, "embedding: the table must be a matrix, found \(weight.shape)")
    if let paddingIndex {
      expect(
        paddingIndex >= 0 && paddingIndex < weight.shape[0],
        "embedding: the padding index \(paddingIndex) is no row of \(weight.shape)"
      )
    }
    self.weight = weight
    self.paddingIndex = paddingIndex
  }

  /// A table that starts from random numbers, with zeros in the padding row.
  ///
  /// - Parameters:
  ///   - count: V.
  ///   - width: D.
  ///   - paddingIndex: the row that stays as it is, nil for none.
  ///   - initializer: what the table starts from; torch's N(0, 1) by default.
  ///   - generator: the source of the random numbers.
  public convenience init(
    count: Int,
    width: Int,
    paddingIndex: Int32? = nil,
    initializer: Initializer = .normal(),
    using generator: inout Philox
  ) {
    self.init(
      weight: Parameter(initializer([count, width], using: &generator)),
      paddingIndex: paddingIndex
    )
    guard let paddingIndex else { return }
    let first = Int(paddingIndex) * width
    weight.update { table, _ in
      table.withUnsafeMutableElements { elements in
        for index in first..<first + width { elements[index] = 0 }
      }
    }
  }

  /// V.
  public var count: Int { weight.shape[0] }
  /// D.
  public var width: Int { weight.shape[1] }

  /// The rows `ids` of the table; stops at an id that is none.
  ///
  /// - Shapes: ids […], result [… × D].
  public func callAsFunction(_ ids: Tensor<Int32>) -> Variable {
    weight.variable.embedding(of: ids, paddingIndex: paddingIndex)
  }
}
