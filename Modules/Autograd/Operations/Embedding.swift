public import Tensor

extension Variable {
  /// The rows `ids` of a table, whose gradient is added in place.
  ///
  /// - Parameters:
  ///   - ids: the rows to look up; repeats are allowed.
  ///   - paddingIndex: a row that gets no gradient.
  /// - Returns: a copy of the rows, in the order of the ids.
  /// - Shapes: self [V × D], ids […] of 0 ..< V, result [… × D].
  public func embedding(of ids: Tensor<Int32>, paddingIndex: Int32? = nil) -> Variable {
    let table = shape
    return .recorded(value.embedding(of: ids), self) { gradient, inputs in
      inputs.update(0) { target in
        if target == nil { target = .zeros(table) }
        target?.addRows(gradient, at: ids, skipping: paddingIndex)
      }
    }
  }
}
