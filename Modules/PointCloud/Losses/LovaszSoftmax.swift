public import Autograd
public import Tensor

/// Which classes the mean of the Lovász-Softmax loss goes over.
public enum LovaszClasses: String, Codable, Sendable {
  /// Those that occur among the targets.
  case present
  /// All; one that does not occur costs the largest probability that any row gives it.
  case all
}

/// The Lovász-Softmax loss: a convex surrogate of 1 − IoU, averaged over classes.
///
/// For a class c let f_i say whether row i's target is c, and order the rows by descending error:
///
///     e_i = |f_i − p_i(c)|             p: softmax of the logits
///     J_i = 1 − (F − f_1 − … − f_i) / (F + (1 − f_1) + … + (1 − f_i))      F = sum of f
///     loss_c = Σ e_i (J_i − J_(i−1))                                        J_0 = 0
///     loss = mean over the classes of loss_c
///
/// Equal errors keep the order of the rows. Rows with the target `ignored` do not count; without any
/// other row the loss is 0. The differences of J are computed as such (1 / U for a row of the class,
/// I / (U (U + 1)) for others, I and U the intersection and the union before it), so that nothing
/// cancels. A NaN among the logits makes the loss NaN.
///
/// - Shapes: logits [N × C], targets [N] of 0 ..< C or `ignored`, result [].
/// - Source: Berman, Triki and Blaschko 2018, "The Lovász-Softmax loss", algorithm 1.
/// - Complexity: O(N · C): a radix sort for each class, the classes on several threads.
public func lovaszSoftmax(
  logits: Variable,
  targets: Tensor<Int32>,
  classes: LovaszClasses = .present,
  ignoring ignored: Int32 = -1
) -> Variable {
  let shape = logits.shape
  expect(
    shape.rank == 2 && targets.shape == [shape[0]] && shape[0] < Int32.max,
    "lovász-softmax: a target for each row is needed, \(shape) · \(targets.shape)"
  )
  targets.check(below: shape[1], "lovász-softmax", of: shape, ignoring: ignored)
  let probabilities = logits.value.softmax()
  var rows = LovaszRows(probabilities, targets, ignored)
  let loss = rows.loss(classes, needsSlopes: logits.isFollowed)
  return .custom(Tensor([loss], shape: []), input: logits) { gradient in
    rows.logitGradient(times: gradient.item)
  }
}

/// The rows that count, class by class.
private struct LovaszRows {
  /// p [N × C].
  let probabilities: Tensor<Float>
  let targets: Tensor<Int32>
  let ignored: Int32
  /// How many of the rows that count belong to each class [C].
  let members: [Int]
  /// dloss / dp [C × N], before the mean over classes; zeros where a row does not matter.
  var slopes: Tensor<Float>?
  /// 1 / number of classes in the mean.
  var factor: Float = 0

  init(_ probabilities: Tensor<Float>, _ targets: Tensor<Int32>, _ ignored: Int32) {
    (self.probabilities, self.targets, self.ignored) = (probabilities, targets, ignored)
    var members = [Int](repeating: 0, count: probabilities.shape[1])
    targets.withUnsafeElements { targets in
      for target in targets where target != ignored { members[Int(target)] += 1 }
    }
    self.members = members
  }

  /// The loss; keeps what the gradient needs if it is wanted.
  mutating func loss(_ classes: LovaszClasses, needsSlopes: Bool) -> Float {
    let chosen = members.indices.filter { classes == .all || members[$0] > 0 }
    guard members.contains(where: { $0 > 0 }) else { return 0 }
    factor = 1 / Float(chosen.count)
    guard needsSlopes else { return sum(chosen, slopes: nil) * factor }
    var loss: Float = 0
    slopes = Tensor(uninitialized: [members.count, targets.count]) { slopes in
      slopes.update(repeating: 0)
      loss = sum(chosen, slopes: slopes.baseAddress) * factor
    }
    return loss
  }

  /// The sum of the losses of some classes; their slopes are written over zeros [C × N].
  private func sum(_ chosen: [Int], slopes: UnsafeMutablePointer<Float>?) -> Float {
    let rowCount = targets.count
    let columns = probabilities.transposed()  // [C, N]
    let losses = Tensor<Double>(uninitialized: [chosen.count]) { losses in
      columns.withUnsafeElements { p in
        targets.withUnsafeElements { targets in
          guard let p = p.baseAddress, let targets = targets.baseAddress else { return }
          WorkPool.forEach(parts: chosen.count) { part in
            let label = chosen[part]
            let column = LovaszColumn(
              probabilities: p + label * rowCount,
              targets: targets,
              rowCount: rowCount,
              label: Int32(truncatingIfNeeded: label),
              ignored: ignored,
              memberCount: members[label]
            )
            losses[part] = column.loss(slopes: slopes.map { $0 + label * rowCount })
          }
        }
      }
    }
    return Float(losses.elements.reduce(0, +))
  }

  /// dloss / dlogits [N × C]: p_j (s_j − Σ p_k s_k) with the slopes s.
  func logitGradient(times upstream: Float) -> Tensor<Float> {
    guard let slopes else { return .zeros(probabilities.shape) }
    let (rowCount, width) = (probabilities.shape[0], probabilities.shape[1])
    let scale = factor * upstream
    return Tensor(uninitialized: probabilities.shape) { target in
      probabilities.withUnsafeElements { p in
        slopes.withUnsafeElements { s in
          targets.withUnsafeElements { targets in
            WorkPool.forEachRange(count: rowCount, grain: max(1, (1 << 14) / width)) { rows in
              for row in rows {
                let isIgnored = targets[row] == ignored
                let first = row * width
                var mean: Float = 0
                for k in 0..<width { mean += p[first + k] * s[k * rowCount + row] }
                for j in 0..<width {
                  let value = p[first + j] * (s[j * rowCount + row] - mean) * scale
                  target[first + j] = isIgnored ? 0 : value
                }
              }
            }
          }
        }
      }
    }
  }
}

/// One class: its column of the probabilities.
private struct LovaszColumn {
  /// p(c) of each row [N].
  let probabilities: UnsafePointer<Float>
  let targets: UnsafePointer<Int32>
  let rowCount: Int
  let label: Int32
  let ignored: Int32
  /// F, the rows of the class.
  let memberCount: Int

  /// loss_c; `slopes` [N], which hold zeros, get its derivatives by the probabilities.
  func loss(slopes: UnsafeMutablePointer<Float>?) -> Double {
    withUnsafeTemporaryAllocation(of: UInt64.self, capacity: 2 * rowCount) { space in
      guard let keys = space.baseAddress else { return 0 }
      var (count, hasNaN) = (0, false)
      for row in 0..<rowCount {
        let isMember = targets[row] == label
        let p = probabilities[row]
        keys[count] = ErrorKey.packed(isMember ? 1 - p : p, row: row, isMember: isMember)
        let counts = targets[row] != ignored
        count += counts ? 1 : 0
        hasNaN = hasNaN || (counts && p.isNaN)
      }
      ErrorKey.sort(keys, scratch: keys + rowCount, count: count)
      let total = sum(keys, count, slopes)
      return hasNaN ? .nan : total
    }
  }

  /// Σ e_i (J_i − J_(i−1)) over the rows in order.
  private func sum(
    _ keys: UnsafePointer<UInt64>,
    _ count: Int,
    _ slopes: UnsafeMutablePointer<Float>?
  ) -> Double {
    var (intersection, union) = (Double(memberCount), Double(memberCount))
    var total = 0.0
    for place in 0..<count {
      let (error, row, isMember) = ErrorKey.unpacked(keys[place])
      let step: Double
      if isMember {
        step = 1 / union
        intersection -= 1
      } else {
        // Without rows of the class the first error counts fully, and no other.
        step = union > 0 ? intersection / (union * (union + 1)) : 1
        union += 1
      }
      total += Double(error) * step
      slopes?[row] = Float(isMember ? -step : step)
    }
    return total
  }
}

/// Errors of 0...1 as keys in descending order, packed with the row and whether it is of the class.
private enum ErrorKey {
  /// The bits of 1.
  private static let one: UInt32 = 0x3F80_0000

  /// The bits of positive floats are in their order; rounding may leave 0...1 by a hair.
  ///
  /// A NaN comes first, as 1.
  @inline(__always)
  static func packed(_ error: Float, row: Int, isMember: Bool) -> UInt64 {
    let bits = error <= 0 ? 0 : min(error.bitPattern, one)
    return UInt64(one - bits) << 32 | UInt64(UInt32(truncatingIfNeeded: row)) << 1
      | (isMember ? 1 : 0)
  }

  @inline(__always)
  static func unpacked(_ packed: UInt64) -> (error: Float, row: Int, isMember: Bool) {
    let error = Float(bitPattern: one - UInt32(packed >> 32))
    return (error, Int((packed & 0xFFFF_FFFF) >> 1), packed & 1 == 1)
  }

  /// Sorts by the keys of 30 bits: a stable radix sort of 10 bits a pass, which ends in `scratch`
  /// after three passes and is copied back.
  static func sort(
    _ keys: UnsafeMutablePointer<UInt64>,
    scratch: UnsafeMutablePointer<UInt64>,
    count: Int
  ) {
    guard count > 256 else {
      var few = UnsafeMutableBufferPointer(start: keys, count: count)
      few.sort()
      return
    }
    withUnsafeTemporaryAllocation(of: Int32.self, capacity: 3 << 10) { starts in
      starts.initialize(repeating: 0)
      for index in 0..<count {
        let key = keys[index] >> 32
        for pass in 0..<3 { starts[pass << 10 | Int(key >> (10 * UInt64(pass)) & 1023)] += 1 }
      }
      var (from, to) = (keys, scratch)
      for pass in 0..<3 {
        var total: Int32 = 0
        for digit in pass << 10..<(pass + 1) << 10 {
          (starts[digit], total) = (total, total + starts[digit])
        }
        let shift = 32 + 10 * UInt64(pass)
        for index in 0..<count {
          let digit = pass << 10 | Int(from[index] >> shift & 1023)
          to[Int(starts[digit])] = from[index]
          starts[digit] += 1
        }
        swap(&from, &to)
      }
      keys.update(from: from, count: count)
    }
  }
}
