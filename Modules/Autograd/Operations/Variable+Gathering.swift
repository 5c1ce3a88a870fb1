public import Tensor

// Gradients of repeated indices add up in the order of the indices, for any number of threads.

extension Variable {
  /// The elements `indices` along an axis; repeats are allowed.
  ///
  /// - Shapes: self [a × N × b], indices [k…] of 0 ..< N, result [a × k… × b] for axis 1.
  public func taking(_ indices: Tensor<Int32>, axis: Int) -> Variable {
    let shape = shape
    return Self.recorded(value.taking(indices, axis: axis), self) { gradient, inputs in
      inputs.update(0) { target in
        if target == nil { target = .zeros(shape) }
        target?.add(gradient, at: indices, axis: axis)
      }
    }
  }

  /// This with `source` added at the elements `indices` along an axis; equal indices add up.
  ///
  /// - Shapes: self [a × N × b], indices [k…], source [a × k… × b] for axis 1.
  public func adding(_ source: Variable, at indices: Tensor<Int32>, axis: Int) -> Variable {
    let result = value.adding(source.value, at: indices, axis: axis)
    return Self.recorded(result, self, source) { gradient, inputs in
      inputs.pass(to: 1, gradient.taking(indices, axis: axis))
      inputs.pass(to: 0, gradient)
    }
  }

  /// For every place of `indices` the element with that index along an axis.
  ///
  /// - Shapes: self [a × N × b], indices and result [a × k × b] for axis 1.
  public func gathered(_ indices: Tensor<Int32>, axis: Int) -> Variable {
    let shape = shape
    return Self.recorded(value.gathered(indices, axis: axis), self) { gradient, inputs in
      inputs.update(0) { target in
        if target == nil { target = .zeros(shape) }
        target?.scatterAdd(gradient, at: indices, axis: axis)
      }
    }
  }

  /// This with every element of `source` added at the index beside it along an axis.
  ///
  /// - Shapes: self [a × N × b], source and indices [a × k × b] for axis 1.
  public func scatterAdding(_ source: Variable, at indices: Tensor<Int32>, axis: Int) -> Variable {
    let result = value.scatterAdding(source.value, at: indices, axis: axis)
    return Self.recorded(result, self, source) { gradient, inputs in
      inputs.pass(to: 1, gradient.gathered(indices, axis: axis))
      inputs.pass(to: 0, gradient)
    }
  }

  /// The sum of each segment's rows; 0 where a segment has none.
  ///
  /// - Shapes: self [N × …], ids [N] of 0 ..< count, result [count × …].
  public func segmentSum(_ ids: Tensor<Int32>, count: Int) -> Variable {
    Self.recorded(value.segmentSum(ids, count: count), self) { gradient, inputs in
      inputs.pass(to: 0, gradient.taking(ids, axis: 0))
    }
  }

  /// The mean of each segment's rows; 0 where a segment has none.
  ///
  /// - Shapes: self [N × …], ids [N] of 0 ..< count, result [count × …].
  public func segmentMean(_ ids: Tensor<Int32>, count: Int) -> Variable {
    let divisors = ids.segmentCounts(count).map { Float(Swift.max($0, 1)) }
    let column = Shape([count] + Array(repeating: 1, count: shape.rank - 1))
    return segmentSum(ids, count: count) / Variable(Tensor(divisors, shape: column))
  }

  /// The largest elements of each segment's rows; equal ones share the gradient.
  ///
  /// A segment without rows is `empty`.
  ///
  /// - Shapes: self [N × …], ids [N] of 0 ..< count, result [count × …].
  public func segmentMax(_ ids: Tensor<Int32>, count: Int, empty: Float = 0) -> Variable {
    let x = value
    let result = x.segmentMax(ids, count: count, empty: empty)
    return Self.recorded(result, self) { gradient, inputs in
      let isLargest = (x .== result.taking(ids, axis: 0)).converted(to: Float.self)
      // Without rows there is nothing to share, and nothing to divide by.
      let sums = isLargest.segmentSum(ids, count: count)
      let sharers = select(sums .== 0, Tensor(scalar: 1), sums)
      inputs.pass(to: 0, (gradient / sharers).taking(ids, axis: 0) * isLargest)
    }
  }

  /// The elements in order along an axis; equal ones keep their order.
  public func sorted(axis: Int = -1, descending: Bool = false) -> Variable {
    gathered(value.argSorted(axis: axis, descending: descending), axis: axis)
  }

  /// The `count` largest (or smallest) elements along an axis in order, and their indices.
  ///
  /// - Shapes: self [a × N × b], both results [a × count × b] for axis 1.
  public func topK(
    _ count: Int,
    axis: Int = -1,
    largest: Bool = true
  ) -> (values: Variable, indices: Tensor<Int32>) {
    let indices = value.topK(count, axis: axis, largest: largest).indices
    return (gathered(indices, axis: axis), indices)
  }

  /// The running sums along an axis; `exclusive` leaves each element itself out.
  public func cumulativeSum(
    axis: Int,
    exclusive: Bool = false,
    reversed: Bool = false
  ) -> Variable {
    let sums = value.cumulativeSum(axis: axis, exclusive: exclusive, reversed: reversed)
    return Self.recorded(sums, self) { gradient, inputs in
      let back = gradient.cumulativeSum(axis: axis, exclusive: exclusive, reversed: !reversed)
      inputs.pass(to: 0, back)
    }
  }
}
