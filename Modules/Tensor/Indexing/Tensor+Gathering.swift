// With N rows and ids of 0 ..< N:
//   taking     out[…, k, …] = x[…, ids[k], …]                  one list of ids for all
//   adding     out[…, ids[k], …] += y[…, k, …]                 its gradient
//   gathered   out[…, k, …] = x[…, ids[…, k, …], …]            ids of its own for every line
//   scatterAdding   out[…, ids[…, k, …], …] += y[…, k, …]      its gradient

extension Tensor {
  /// The rows `indices` of this tensor, one after another; repeats are allowed.
  ///
  /// - Shapes: self [N × …], result [indices.count × …].
  public func rows(_ indices: some Collection<Int32>) -> Tensor {
    expect(rank > 0, "rows: a scalar has no rows")
    return taking(Tensor<Int32>(Array(indices)), axis: 0)
  }

  /// The rows where `mask` is true, in order.
  ///
  /// - Shapes: self [N × …], mask [N], result [K × …].
  public func rows(where mask: Tensor<Bool>) -> Tensor {
    expect(
      rank > 0 && mask.rank == 1 && mask.shape[0] == shape[0],
      "rows: the mask \(mask.shape) does not fit \(shape)"
    )
    return taking(mask.trueIndices().flattened(), axis: 0)
  }

  /// The elements `indices` along an axis; repeats are allowed.
  ///
  /// - Shapes: self [a × N × b], indices [k…] of 0 ..< N, result [a × k… × b] for axis 1.
  public func taking(_ indices: Tensor<Int32>, axis: Int) -> Tensor {
    let position = shape.position(of: axis, "take")
    let lines = AxisLines(shape, axis: position)
    indices.check(below: lines.extent, "take", of: shape)
    var result = shape.removing(axis: position)
    for (place, extent) in indices.shape.extents.enumerated() {
      result = result.inserting(extent, at: position + place)
    }
    let bytes = lines.inner * MemoryLayout<Element>.size
    return Tensor(uninitialized: result) { target in
      guard let to = UnsafeMutableRawPointer(target.baseAddress), bytes > 0 else { return }
      let from = UnsafeRawPointer(start)
      let grain = Swift.max(1, cheapGrain / Swift.max(lines.inner, 1))
      WorkPool.forEachRange(count: lines.outer * indices.count, grain: grain) { range in
        for place in range {
          let (outer, k) = (place / indices.count, place % indices.count)
          let row = outer * lines.extent + Int(indices.start[k])
          (to + place * bytes).copyMemory(from: from + row * bytes, byteCount: bytes)
        }
      }
      withExtendedLifetime((storage, indices.storage)) {}
    }
  }

  /// For every place of `indices` the element with that index along an axis.
  ///
  /// - Shapes: self [a × N × b], indices and result [a × k × b] for axis 1.
  public func gathered(_ indices: Tensor<Int32>, axis: Int) -> Tensor {
    let lines = gatherLines(indices, axis, "gather")
    return Tensor(uninitialized: indices.shape) { target in
      guard let to = UnsafeMutableRawPointer(target.baseAddress) else { return }
      let from = UnsafeRawPointer(start)
      switch MemoryLayout<Element>.size {
      case 1: lines.gather(UInt8.self, indices, from, to)
      case 2: lines.gather(UInt16.self, indices, from, to)
      case 4: lines.gather(UInt32.self, indices, from, to)
      default: lines.gather(UInt64.self, indices, from, to)
      }
      withExtendedLifetime(storage) {}
    }
  }

  fileprivate func gatherLines(
    _ indices: Tensor<Int32>,
    _ axis: Int,
    _ operation: String
  ) -> AxisLines {
    let position = shape.position(of: axis, operation)
    expect(
      indices.rank == rank
        && indices.shape.replacing(axis: position, with: 0)
          == shape.replacing(axis: position, with: 0),
      "\(operation): indices \(indices.shape) along axis \(axis) of \(shape)"
    )
    indices.check(below: shape[position], operation, of: shape)
    return AxisLines(shape, axis: position)
  }
}

extension Tensor where Element == Float {
  /// This tensor with `source` added at the elements `indices` along an axis.
  ///
  /// Equal indices add up, in the order of the indices for any number of threads.
  ///
  /// - Shapes: self [a × N × b], indices [k…], source [a × k… × b] for axis 1.
  public func adding(_ source: Tensor, at indices: Tensor<Int32>, axis: Int) -> Tensor {
    var result = self
    result.add(source, at: indices, axis: axis)
    return result
  }

  /// Adds `source` at the elements `indices` along an axis; see `adding(_:at:axis:)`.
  public mutating func add(_ source: Tensor, at indices: Tensor<Int32>, axis: Int) {
    let position = shape.position(of: axis, "add")
    let lines = AxisLines(shape, axis: position)
    var expected = shape.removing(axis: position)
    for (place, extent) in indices.shape.extents.enumerated() {
      expected = expected.inserting(extent, at: position + place)
    }
    expect(
      source.shape == expected,
      "add: \(source.shape) at \(indices.shape) indices along axis \(axis) of \(shape)"
    )
    indices.check(below: lines.extent, "add", of: shape)
    guard source.count > 0 else { return }
    if position == 0 {
      addRows(source, at: indices, skipping: nil)
      return
    }
    withUnsafeMutableElements { target in
      guard let to = target.baseAddress else { return }
      let (inner, extent, count) = (lines.inner, lines.extent, indices.count)
      let grain = Swift.max(1, cheapGrain / Swift.max(count * inner, 1))
      WorkPool.forEachRange(count: lines.outer, grain: grain) { range in
        for outer in range {
          for k in 0..<count {
            let row = to + (outer * extent + Int(indices.start[k])) * inner
            let values = source.start + (outer * count + k) * inner
            for column in 0..<inner { row[column] += values[column] }
          }
        }
      }
      withExtendedLifetime((source.storage, indices.storage)) {}
    }
  }

  /// This tensor with every element of `source` added at the index beside it along an axis.
  ///
  /// Equal indices add up, in order for any number of threads.
  ///
  /// - Shapes: self [a × N × b], source and indices [a × k × b] for axis 1.
  public func scatterAdding(_ source: Tensor, at indices: Tensor<Int32>, axis: Int) -> Tensor {
    var result = self
    result.scatterAdd(source, at: indices, axis: axis)
    return result
  }

  /// Adds every element of `source` at the index beside it; see `scatterAdding(_:at:axis:)`.
  public mutating func scatterAdd(_ source: Tensor, at indices: Tensor<Int32>, axis: Int) {
    let lines = gatherLines(indices, axis, "scatterAdd")
    expect(
      source.shape == indices.shape,
      "scatterAdd: \(source.shape) · indices \(indices.shape)"
    )
    guard source.count > 0 else { return }
    let (inner, extent) = (lines.inner, lines.extent)
    let count = indices.count / (lines.outer * inner)
    withUnsafeMutableElements { target in
      guard let to = target.baseAddress else { return }
      let grain = Swift.max(1, cheapGrain / (count * inner))
      WorkPool.forEachRange(count: lines.outer, grain: grain) { range in
        for outer in range {
          let line = to + outer * extent * inner
          for place in 0..<count * inner {
            let position = outer * count * inner + place
            let index = Int(indices.start[position])
            line[index * inner + place % inner] += source.start[position]
          }
        }
      }
      withExtendedLifetime((source.storage, indices.storage)) {}
    }
  }
}

extension Tensor where Element == Bool {
  /// Where the elements are true, in row-major order.
  ///
  /// - Shapes: result [K × rank], one row of indices for each.
  public func trueIndices() -> Tensor<Int32> {
    let (slots, strides) = (shape.slots, shape.strides)
    return Tensor<Int32>(uninitialized: [trueCount, rank]) { target in
      var place = 0
      for position in 0..<count where start[position] {
        for axis in 0..<rank {
          target[place] = Int32(position / strides[axis] % slots[axis])
          place += 1
        }
      }
      withExtendedLifetime(storage) {}
    }
  }
}

/// A tensor as lines along one axis: [outer × extent × inner].
struct AxisLines {
  let outer: Int
  let extent: Int
  let inner: Int

  init(_ shape: Shape, axis: Int) {
    let extents = shape.extents
    outer = extents[..<axis].reduce(1, *)
    extent = extents[axis]
    inner = extents[(axis + 1)...].reduce(1, *)
  }

  @inline(__always)
  func gather<Bits: FixedWidthInteger>(
    _ type: Bits.Type,
    _ indices: Tensor<Int32>,
    _ from: UnsafeRawPointer,
    _ to: UnsafeMutableRawPointer
  ) {
    guard indices.count > 0 else { return }
    let x = from.assumingMemoryBound(to: Bits.self)
    let y = to.assumingMemoryBound(to: Bits.self)
    let line = indices.count / outer
    WorkPool.forEachRange(count: indices.count, grain: cheapGrain) { range in
      for place in range {
        let base = place / line * extent * inner + place % inner
        y[place] = x[base + Int(indices.start[place]) * inner]
      }
    }
    withExtendedLifetime(indices.storage) {}
  }
}
