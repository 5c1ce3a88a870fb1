/// Finds signs and scales of one group of weights after another; see `BinaryCoding`.
///
/// A code has a bit for each plane: bit i is set where b_i = +1. All sums are in Double. The weights
/// of a codeword are a run of the sorted weights, so after one sort a round looks for 2^q − 1
/// boundaries and never touches the weights one by one. What does touch them one by one (the greedy
/// start, the sort, the last choice of codes) goes over vectors of eight.
struct BinaryGroupCoder: ~Copyable {
  private let planeCount: Int
  /// The codes of the group of now.
  let codes: UnsafeMutablePointer<UInt8>
  /// α of the group of now [q].
  let scales: UnsafeMutablePointer<Double>
  private let residual: UnsafeMutablePointer<Double>
  private let sorted: SortedWeights
  private let system: NormalEquations
  private var book: Codebook

  /// Room for groups of up to `capacity` weights.
  init(planeCount: Int, capacity: Int) {
    self.planeCount = planeCount
    codes = .allocate(capacity: capacity)
    scales = .allocate(capacity: planeCount)
    residual = .allocate(capacity: capacity)
    sorted = SortedWeights(capacity: capacity)
    system = NormalEquations(planeCount: planeCount)
    book = Codebook(planeCount: planeCount)
  }

  deinit {
    codes.deallocate()
    scales.deallocate()
    residual.deallocate()
    sorted.deallocate()
    system.deallocate()
    book.deallocate()
  }

  /// Codes a group that is not empty; finite weights only.
  mutating func encode(_ weights: UnsafeBufferPointer<Float>, rounds: Int) {
    takeGreedily(weights)
    guard rounds > 0 else { return }
    sorted.sort(weights)
    system.tally(weights, codes)
    for _ in 0..<rounds {
      // One round: α by least squares, sorted; then B by nearest codeword.
      let moved = system.update(scales, count: weights.count)
      book.build(scales)
      let changed = system.tally(sorted, book, count: weights.count)
      // What is left to move then is below what a Float can hold.
      if !changed && moved <= 1e-9 * scales[0] { break }
    }
    assign(weights)
  }

  /// r₀ = w;  b_i = sign(r_{i−1}),  α_i = mean|r_{i−1}|,  r_i = r_{i−1} − α_i b_i.
  private func takeGreedily(_ weights: UnsafeBufferPointer<Float>) {
    let count = weights.count
    for column in 0..<count {
      residual[column] = Double(weights[column])
      codes[column] = 0
    }
    for plane in 0..<planeCount {
      let (scale, bit) = (meanResidual(count), UInt8(1 << plane))
      var column = 0
      while column + Lanes.count <= count {
        let r = Lanes.load(residual + column)
        let isPositive = r .>= 0
        let signs = SIMD8<UInt8>(truncatingIfNeeded: Lanes.ones(isPositive))
        let old = Lanes.load(codes + column)
        Lanes.store(old | (signs &* bit), codes + column)
        let step = SIMD8(repeating: -scale).replacing(with: scale, where: isPositive)
        Lanes.store(r - step, residual + column)
        column += Lanes.count
      }
      while column < count {
        let isPositive = residual[column] >= 0
        codes[column] |= isPositive ? bit : 0
        residual[column] -= isPositive ? scale : -scale
        column += 1
      }
      scales[plane] = scale
    }
  }

  /// mean|r|.
  private func meanResidual(_ count: Int) -> Double {
    var (sums, column) = (SIMD8<Double>.zero, 0)
    while column + Lanes.count <= count {
      let r = Lanes.load(residual + column)
      sums += r.replacing(with: -r, where: r .< 0)
      column += Lanes.count
    }
    var sum = sums.sum()
    while column < count {
      sum += abs(residual[column])
      column += 1
    }
    return sum / Double(count)
  }

  /// Up to so many planes, a weight is compared with all midpoints; with more it is looked up.
  private static let comparedPlanes = 4

  /// The nearest codeword of each weight, the larger of two equally near.
  private func assign(_ weights: UnsafeBufferPointer<Float>) {
    let (midpoints, masks) = (book.midpoints, book.masks)
    let vectors = planeCount <= Self.comparedPlanes ? weights.count / Lanes.count : 0
    if let base = weights.baseAddress {
      for column in stride(from: 0, to: vectors * Lanes.count, by: Lanes.count) {
        let w = SIMD8<Double>(Lanes.load(base + column))
        var place = SIMD8<Int64>.zero
        for midpoint in 0..<(1 << planeCount) - 1 {
          place &+= Lanes.ones(w .>= midpoints[midpoint])
        }
        for lane in 0..<Lanes.count { codes[column + lane] = masks[Int(place[lane])] }
      }
    }
    for column in vectors * Lanes.count..<weights.count {
      let weight = Double(weights[column])
      var (place, step) = (0, 1 << (planeCount - 1))
      while step > 0 {
        place += weight >= midpoints[place + step - 1] ? step : 0
        step >>= 1
      }
      codes[column] = masks[place]
    }
  }
}

/// The least-squares problem for α with the signs fixed: A = B Bᵀ, v = B w.
///
/// Both follow from how many weights have each code, and from what these weights sum to.
private struct NormalEquations {
  private let planeCount: Int
  private let codeCount: Int
  private let counts: UnsafeMutablePointer<Double>
  private let sums: UnsafeMutablePointer<Double>
  private let matrix: UnsafeMutablePointer<Double>
  private let step: UnsafeMutablePointer<Double>
  private let previous: UnsafeMutablePointer<Double>

  init(planeCount: Int) {
    self.planeCount = planeCount
    codeCount = 1 << planeCount
    counts = .allocate(capacity: codeCount)
    sums = .allocate(capacity: codeCount)
    matrix = .allocate(capacity: planeCount * planeCount)
    step = .allocate(capacity: planeCount)
    previous = .allocate(capacity: planeCount)
  }

  func deallocate() {
    for buffer in [counts, sums, matrix, step, previous] { buffer.deallocate() }
  }

  func tally(_ weights: UnsafeBufferPointer<Float>, _ codes: UnsafeMutablePointer<UInt8>) {
    counts.update(repeating: 0, count: codeCount)
    sums.update(repeating: 0, count: codeCount)
    for column in 0..<weights.count {
      let code = Int(codes[column])
      counts[code] += 1
      sums[code] += Double(weights[column])
    }
  }

  /// The same for the nearest codewords; whether anything changed.
  func tally(_ weights: SortedWeights, _ book: Codebook, count: Int) -> Bool {
    var (start, changed) = (0, false)
    for place in 0..<codeCount {
      let isLast = place == codeCount - 1
      let end =
        isLast ? count : weights.firstPlace(start..<count, atLeast: book.midpoints[place])
      let code = Int(book.masks[place])
      let (share, sum) = (Double(end - start), weights.sums[end] - weights.sums[start])
      changed = changed || share != counts[code] || sum != sums[code]
      (counts[code], sums[code]) = (share, sum)
      start = end
    }
    return changed
  }

  /// α ← |α + (A + 10⁻⁶ g I)⁻¹ (v − A α)|, largest first; returns the largest change of a place.
  func update(_ scales: UnsafeMutablePointer<Double>, count: Int) -> Double {
    setUp(scales, count)
    solve(ridge: 1e-6 * Double(count))
    for plane in 0..<planeCount {
      previous[plane] = scales[plane]
      scales[plane] = abs(scales[plane] + step[plane])
    }
    var order = UnsafeMutableBufferPointer(start: scales, count: planeCount)
    order.sort(by: >)
    var moved = 0.0
    for plane in 0..<planeCount { moved = max(moved, abs(scales[plane] - previous[plane])) }
    return moved
  }

  /// A, and v − A α in place of the step.
  private func setUp(_ scales: UnsafeMutablePointer<Double>, _ count: Int) {
    let width = planeCount
    for row in 0..<width {
      var product = 0.0
      for code in 0..<codeCount { product += code >> row & 1 == 1 ? sums[code] : -sums[code] }
      step[row] = product
      matrix[row * width + row] = Double(count)
      for column in 0..<row {
        var entry = 0.0
        for code in 0..<codeCount {
          entry += (code >> row ^ code >> column) & 1 == 0 ? counts[code] : -counts[code]
        }
        matrix[row * width + column] = entry
        matrix[column * width + row] = entry
      }
    }
    for row in 0..<width {
      for column in 0..<width { step[row] -= matrix[row * width + column] * scales[column] }
    }
  }

  /// step ← (A + ridge I)⁻¹ step by Cholesky; A is overwritten by its factor.
  ///
  /// The ridge keeps every pivot above zero: A has no negative eigenvalue, and at most g · q.
  private func solve(ridge: Double) {
    let width = planeCount
    for row in 0..<width {
      for column in 0...row {
        var entry = matrix[row * width + column] + (row == column ? ridge : 0)
        for inner in 0..<column {
          entry -= matrix[row * width + inner] * matrix[column * width + inner]
        }
        matrix[row * width + column] =
          row == column ? entry.squareRoot() : entry / matrix[column * width + column]
      }
    }
    for row in 0..<width {
      for column in 0..<row { step[row] -= matrix[row * width + column] * step[column] }
      step[row] /= matrix[row * width + row]
    }
    for row in (0..<width).reversed() {
      for column in row + 1..<width { step[row] -= matrix[column * width + row] * step[column] }
      step[row] /= matrix[row * width + row]
    }
  }
}

/// The 2^q values Σ ±α_i in ascending order, with the code of each.
private struct Codebook {
  private let planeCount: Int
  private var values: UnsafeMutablePointer<Double>
  private var spareValues: UnsafeMutablePointer<Double>
  /// The code of each value.
  private(set) var masks: UnsafeMutablePointer<UInt8>
  private var spareMasks: UnsafeMutablePointer<UInt8>
  /// Between each value and the next.
  let midpoints: UnsafeMutablePointer<Double>

  init(planeCount: Int) {
    self.planeCount = planeCount
    let count = 1 << planeCount
    values = .allocate(capacity: count)
    spareValues = .allocate(capacity: count)
    masks = .allocate(capacity: count)
    spareMasks = .allocate(capacity: count)
    midpoints = .allocate(capacity: count)
  }

  func deallocate() {
    for buffer in [values, spareValues, midpoints] { buffer.deallocate() }
    for buffer in [masks, spareMasks] { buffer.deallocate() }
  }

  /// The book of scales α ≥ 0: with each plane the sorted list splits into two that are merged.
  mutating func build(_ scales: UnsafeMutablePointer<Double>) {
    (values[0], masks[0]) = (0, 0)
    for plane in 0..<planeCount { split(by: scales[plane], plane) }
    for place in 0..<(1 << planeCount) - 1 {
      midpoints[place] = (values[place] + values[place + 1]) / 2
    }
  }

  private mutating func split(by scale: Double, _ plane: Int) {
    let (count, bit) = (1 << plane, UInt8(1 << plane))
    var (lower, upper) = (0, 0)
    for place in 0..<2 * count {
      // The lower list runs out first: its last value lies below the upper list's last.
      if lower < count, values[lower] - scale <= values[upper] + scale {
        (spareValues[place], spareMasks[place]) = (values[lower] - scale, masks[lower])
        lower += 1
      } else {
        (spareValues[place], spareMasks[place]) = (values[upper] + scale, masks[upper] | bit)
        upper += 1
      }
    }
    swap(&values, &spareValues)
    swap(&masks, &spareMasks)
  }
}
