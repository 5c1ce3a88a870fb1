import CKernels

/// One column of a kernel: keys that follow one another, from `step` below a site's own key on.
package struct KeyColumn: Hashable, Sendable {
  /// How far the column's first key lies below the site's own.
  package var step: UInt64
  /// How many keys it has, at most 16.
  package var width: Int

  /// A column of `width` keys.
  package init(step: UInt64, width: Int) {
    self.step = step
    self.width = width
  }
}

/// Search and order among 64-bit keys.
package enum KeySearch {
  /// The pairs of a kernel of odd size on sites with ascending keys.
  ///
  /// `columns` are the half of the kernel below its centre, in the order of the offsets; the centre
  /// and the mirrored half follow. For every offset, the input is the site it finds and the output
  /// the site it starts from.
  package static func pairs(of keys: [UInt64], columns: [KeyColumn]) -> SparsePairs {
    let half = columns.reduce(0) { $0 + $1.width }
    expect(
      columns.count <= CK_NEIGHBOUR_COLUMNS
        && columns.allSatisfy { (1...CK_NEIGHBOUR_WIDTH).contains($0.width) },
      "neighbours: \(columns.count) columns are too many or too wide"
    )
    var counts = [Int](repeating: 0, count: half)
    let found = ck_find_neighbours(
      keys.count,
      keys,
      columns.count,
      columns.map(\.step),
      columns.map { Int32($0.width) },
      &counts
    )
    var starts: [Int32] = [0]
    var total = 0
    for count in counts + [keys.count] + counts.reversed() {
      total += count
      expect(total <= Int32.max, "neighbours: more than \(Int32.max) pairs")
      starts.append(Int32(total))
    }
    var outputs: [Int32] = []
    let inputs = [Int32](unsafeUninitializedCapacity: total) { inputs, count in
      outputs = [Int32](unsafeUninitializedCapacity: total) { outputs, count in
        ck_take_neighbours(found, starts, inputs.baseAddress, outputs.baseAddress)
        count = total
      }
      count = total
    }
    return SparsePairs(
      checked: starts,
      inputs: inputs,
      outputs: outputs,
      inputCount: keys.count,
      outputCount: keys.count,
      identity: half
    )
  }

  /// The places of the keys in ascending order; equal keys stay in their order.
  ///
  /// - Parameters:
  ///   - keys: the keys; above their lowest `bitCount` bits they are 0.
  ///   - bitCount: the bits that count.
  /// - Returns: the indices of the keys.
  /// - Complexity: O(n) for each 11 bits.
  package static func order(of keys: [UInt64], bitCount: Int) -> [Int32] {
    let count = keys.count
    expect(count <= Int32.max, "key order: \(count) keys are too many")
    var words = [UInt64](unsafeUninitializedCapacity: count) { words, initialized in
      for i in 0..<count { words[i] = keys[i] << 32 | UInt64(truncatingIfNeeded: i) }
      initialized = count
    }
    withUnsafeTemporaryAllocation(of: UInt64.self, capacity: max(count, 1)) { scratch in
      ck_sort_keys(count, 32, Int32(min(bitCount, 32)), &words, scratch.baseAddress)
      guard bitCount > 32 else { return }
      // The sort is stable, so the upper halves may follow the lower ones.
      for i in 0..<count {
        let place = words[i] & 0xffff_ffff
        words[i] = (keys[Int(place)] >> 32) << 32 | place
      }
      ck_sort_keys(count, 32, Int32(bitCount - 32), &words, scratch.baseAddress)
    }
    return words.map { Int32(truncatingIfNeeded: $0) }
  }
}
