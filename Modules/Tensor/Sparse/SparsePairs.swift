import CKernels

/// The pairs of rows that the offsets of a kernel bring together: a sparse convolution without its
/// numbers.
///
/// Offset k takes row inputs[i] to row outputs[i] for every i of starts[k] ..< starts[k + 1]. Within
/// an offset both sides ascend, so no row occurs twice there. The output is cut into blocks of rows,
/// which are what threads take.
package struct SparsePairs: Sendable {
  /// Where the pairs of each offset start [K + 1].
  package let starts: [Int32]
  /// The rows that pairs read.
  package let inputs: [Int32]
  /// The rows that pairs add to.
  package let outputs: [Int32]
  /// The rows of the input.
  package let inputCount: Int
  /// The rows of the output.
  package let outputCount: Int
  /// The offset that takes every row to itself, if there is one.
  package let identity: Int?
  /// Whether every output row is in exactly one pair.
  package let isPartition: Bool
  private let blockStarts: [Int32]
  private let blockRows: Int

  /// K, the number of offsets.
  package var kernelVolume: Int { starts.count - 1 }
  /// The number of pairs.
  package var count: Int { inputs.count }

  /// Pairs grouped by offset; both sides must ascend within one.
  package init(
    starts: [Int32],
    inputs: [Int32],
    outputs: [Int32],
    inputCount: Int,
    outputCount: Int,
    identity: Int? = nil
  ) {
    expect(
      starts.first == 0 && starts.last.map { Int($0) } == inputs.count
        && inputs.count == outputs.count && zip(starts, starts.dropFirst()).allSatisfy(<=),
      "sparse pairs: \(inputs.count) inputs and \(outputs.count) outputs do not fit the starts"
    )
    expect(
      ascends(inputs, starts, below: inputCount) && ascends(outputs, starts, below: outputCount),
      "sparse pairs: rows must ascend within an offset and stay below "
        + "\(inputCount) · \(outputCount)"
    )
    self.init(
      checked: starts,
      inputs: inputs,
      outputs: outputs,
      inputCount: inputCount,
      outputCount: outputCount,
      identity: identity
    )
  }

  /// Pairs that are known to fit and to ascend.
  init(
    checked starts: [Int32],
    inputs: [Int32],
    outputs: [Int32],
    inputCount: Int,
    outputCount: Int,
    identity: Int?
  ) {
    self.starts = starts
    self.inputs = inputs
    self.outputs = outputs
    self.inputCount = inputCount
    self.outputCount = outputCount
    self.identity = identity
    isPartition = coversOnce(outputs, outputCount)
    // Small enough for L2 and for a few parts even of a coarse level.
    blockRows = outputCount >= 8192 ? 512 : outputCount >= 2048 ? 256 : 64
    let blocks = (outputCount + blockRows - 1) / blockRows
    let (rows, volume) = (blockRows, starts.count - 1)
    blockStarts = Array(unsafeUninitializedCapacity: (blocks + 1) * volume) { buffer, count in
      ck_sparse_block_starts(volume, starts, outputs, outputCount, rows, buffer.baseAddress)
      count = (blocks + 1) * volume
    }
  }

  /// The same pairs read backwards.
  package var reversed: SparsePairs {
    SparsePairs(
      checked: starts,
      inputs: outputs,
      outputs: inputs,
      inputCount: outputCount,
      outputCount: inputCount,
      identity: identity
    )
  }

  /// Calls `body` with the pairs as kernels take them.
  func withMap(_ body: (UnsafePointer<ck_sparse_map>) -> Void) {
    var map = ck_sparse_map()
    map.kernel_volume = kernelVolume
    map.output_rows = outputCount
    map.block_rows = blockRows
    map.identity = identity ?? -1
    map.is_partition = isPartition
    starts.withUnsafeBufferPointer { starts in
      inputs.withUnsafeBufferPointer { inputs in
        outputs.withUnsafeBufferPointer { outputs in
          blockStarts.withUnsafeBufferPointer { blocks in
            map.starts = starts.baseAddress
            map.inputs = inputs.baseAddress
            map.outputs = outputs.baseAddress
            map.block_starts = blocks.baseAddress
            body(&map)
          }
        }
      }
    }
  }
}

/// Whether rows ascend within each offset and lie in 0 ..< count.
private func ascends(_ rows: [Int32], _ starts: [Int32], below count: Int) -> Bool {
  rows.withUnsafeBufferPointer { rows in
    for offset in 0..<starts.count - 1 {
      let (first, end) = (Int(starts[offset]), Int(starts[offset + 1]))
      guard first < end else { continue }
      if rows[first] < 0 || Int(rows[end - 1]) >= count { return false }
      var isAscending = true
      for i in first + 1..<max(end, first + 1) where rows[i] <= rows[i - 1] { isAscending = false }
      if !isAscending { return false }
    }
    return true
  }
}

/// Whether every row of 0 ..< count occurs exactly once.
private func coversOnce(_ rows: [Int32], _ count: Int) -> Bool {
  guard rows.count == count else { return false }
  var isSeen = [Bool](repeating: false, count: count)
  for row in rows {
    if isSeen[Int(row)] { return false }
    isSeen[Int(row)] = true
  }
  return true
}
