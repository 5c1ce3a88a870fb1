import CKernels

/// A low-bit weight matrix in the order in which the kernels read it.
///
///     value[r, c] = scale[r, g] · code[r, c] + offset[r, g],   g = c / groupSize
///
/// Eight rows (16 of two bits, 32 of signs) form a band whose bytes lie in one run, scales beside the
/// codes that they belong to; a product reads each byte once, in order, and computes all rows of a
/// band at once. Matrices are made once, when weights are loaded:
///
/// | from | codes | scales |
/// |---|---|---|
/// | `PackedRows`, 1 … 8 bits | 2, 3, 4, 5 or 8 bits | binary16 and a zero point where that is exact, else floats |
/// | `BinaryRows` | planes of signs | one for each plane, binary16 where that is exact |
/// | blocks of GGUF | 3, 4, 5, 6 or 8 bits | as the blocks have them, bit for bit |
/// | `PackedRows` with scales of inputs | 2, 3, 4, 5 or 8 bits | none: blocks of outputs scale their inputs |
///
/// Activations are rounded to 8 bits, 32 neighbours to a step, once for all matrices that read them.
/// Where the rounding of a row would cost more than the tolerance, what it left of the units that it
/// hurt most is rounded too, of as few as are needed: a second time makes 16 bits of them, a third the
/// precision of floats. So the error of a product that rounding brings is never above ‖x‖ · tolerance ·
/// (the size of a row of W), whatever the activations are; where sums of four activations are looked up (2
/// bits and signs), the root of its mean square over all codes is not.
///
/// - Shapes: [N × K].
public struct InterleavedMatrix: Sendable {
  /// What codes are.
  package enum Codes: Hashable, Sendable {
    /// Unsigned integers of 2, 3, 4, 5, 6 or 8 bits; 6 only with `.q6K`.
    case bits(Int)
    /// Planes of signs.
    case signs(planes: Int)
  }

  /// How scales and offsets are stored.
  package enum Scales: Hashable, Sendable {
    /// binary16; offset = −zero · scale.
    case half(zero: Int)
    /// binary16 and a zero point for each group; offset = −zero · scale.
    case halfZeros
    /// binary16 both; of signs a scale for each plane.
    case halfOffsets
    /// binary32 both; of signs a scale for each plane.
    case float
    /// Q4_K and Q5_K: groups of 256, a scale and an offset of 6 bits for each 32.
    case q4K
    /// Q6_K and Q3_K: groups of 256, a scale of 8 bits for each 16; the codes' zero is 32 of 6 bits, 4 of 3.
    case q6K
  }

  /// [N × K].
  public let shape: Shape
  package let codes: Codes
  package let scales: Scales
  package let groupSize: Int
  let data: Tensor<UInt8>
  let blocks: ScaledBlocks?

  /// Blocks of outputs that share a scale for each input.
  ///
  ///     y[r] = Σ_c (code[r, c] − zero[b, c]) · (scale[b, c] · x[c]),   b = r / rows
  ///
  /// The input is scaled and rounded once for each block. What rounding leaves is measured as a part of the
  /// input before it was scaled, so that the bound holds here too.
  struct ScaledBlocks: Sendable {
    let rows: Int
    let scales: Tensor<Float>  // [blocks × K]
    let weights: Tensor<Float>  // of the errors of scaled inputs, in the order of the kernels
    let hasZeros: Bool  // the zero points are one more row of codes in each block
  }

  init(
    shape: Shape,
    codes: Codes,
    scales: Scales,
    groupSize: Int,
    data: Tensor<UInt8>,
    blocks: ScaledBlocks? = nil
  ) {
    self.shape = shape
    self.codes = codes
    self.scales = scales
    self.groupSize = groupSize
    self.data = data
    self.blocks = blocks
  }

  /// The bytes of codes and scales, padding included.
  public var byteCount: Int {
    data.count + 4 * (blocks.map { $0.scales.count + $0.weights.count } ?? 0)
  }

  /// x Wᵀ + bias.
  ///
  /// - Parameters:
  ///   - input: x [… × K].
  ///   - bias: [N] or nil.
  ///   - tolerance: the largest expected ‖x − x̂‖ / ‖x‖ of rounding, for each row of x; 0 for the
  ///     precision of floats.
  /// - Returns: [… × N]; rows of NaN where x has a number that is not finite.
  public func product(
    with input: Tensor<Float>,
    bias: Tensor<Float>? = nil,
    tolerance: Float
  ) -> Tensor<Float> {
    Self.products(of: input, with: [(self, bias)], tolerance: tolerance)[0]
  }

  /// x Wᵀ + bias for several matrices, x rounded once and all products one job.
  ///
  /// - Shapes: x [… × K], each bias [N] or nil, results [… × N].
  public static func products(
    of input: Tensor<Float>,
    with matrices: [(matrix: InterleavedMatrix, bias: Tensor<Float>?)],
    tolerance: Float
  ) -> [Tensor<Float>] {
    let width = input.rank > 0 ? input.shape[-1] : -1
    let count = input.shape.extents.dropLast().reduce(1, *)
    for (matrix, bias) in matrices {
      expect(
        matrix.shape[1] == width && (bias?.shape ?? [matrix.shape[0]]) == [matrix.shape[0]],
        "linear: inner extents differ, \(input.shape) · \(matrix.shape)ᵀ + \(bias?.shape ?? [])"
      )
    }
    guard width > 0, count > 0 else {
      return matrices.map { matrix, bias in
        let zeros = Tensor<Float>.zeros(input.shape.replacingLast(with: matrix.shape[0]))
        return bias.map { zeros + $0 } ?? zeros
      }
    }
    return input.withUnsafeElements { x in
      withJobs(matrices, shape: input.shape) { jobs in
        guard let from = x.baseAddress else { return }
        _ = ck_interleaved_linear(jobs.count, jobs.baseAddress, count, from, width, tolerance)
      }
    }
  }

  /// How often units of 32 columns are rounded again in a product with x [… × K].
  package func repeatedRoundings(of input: Tensor<Float>, tolerance: Float) -> Int {
    let (width, count) = (shape[1], input.count / max(shape[1], 1))
    var found = 0
    _ = input.withUnsafeElements { x in
      Self.withJobs([(self, nil)], shape: [count, width]) { jobs in
        guard let from = x.baseAddress else { return }
        found = ck_interleaved_linear(jobs.count, jobs.baseAddress, count, from, width, tolerance)
      }
    }
    return found
  }

  /// The rows `indices` as floats [indices.count × K].
  public func rows(_ indices: [Int32]) -> Tensor<Float> {
    let columns = shape[1]
    return withKernelMatrix { matrix in
      Tensor<Float>(uninitialized: [indices.count, columns]) { target in
        guard let to = target.baseAddress else { return }
        for (place, index) in indices.enumerated() {
          expect(index >= 0 && index < shape[0], "rows: index \(index) of \(shape)")
          ck_interleaved_row(matrix, Int(index), to + place * columns)
        }
      }
    }
  }

  /// gradient · W: what flows back through `product(with:bias:tolerance:)`, in floats.
  ///
  /// - Shapes: gradient [… × N], result [… × K].
  public func inputGradient(_ gradient: Tensor<Float>) -> Tensor<Float> {
    expect(
      gradient.rank > 0 && gradient.shape[-1] == shape[0],
      "linear, backward: inner extents differ, \(gradient.shape) · \(shape)"
    )
    var result = Tensor<Float>.zeros(gradient.shape.replacingLast(with: shape[1]))
    // A few rows at a time: W as floats would be eight times the size of its codes.
    for start in stride(from: 0, to: shape[0], by: 256) {
      let range = start..<min(start + 256, shape[0])
      let rows = rows(range.map { Int32($0) })
      result += gradient.sliced(range, axis: -1).matmul(rows)
    }
    return result
  }
}

// MARK: - Kernels

extension InterleavedMatrix {
  /// The matrix as the kernels see it, without its bytes.
  static func kernelMatrix(
    _ shape: Shape,
    _ codes: Codes,
    _ scales: Scales,
    _ groupSize: Int
  ) -> ck_interleaved {
    var matrix = ck_interleaved()
    switch codes {
    case .bits(let bits): matrix.codes = ck_code_kind(rawValue: UInt32(bits))
    case .signs(let planes): (matrix.codes, matrix.planes) = (CK_SIGNS, Int32(planes))
    }
    switch scales {
    case .half(let zero): (matrix.scales, matrix.zero) = (CK_SCALES_HALF, Int32(zero))
    case .halfZeros: matrix.scales = CK_SCALES_HALF_ZEROS
    case .halfOffsets: matrix.scales = CK_SCALES_HALF_OFFSETS
    case .float: matrix.scales = CK_SCALES_FLOAT
    case .q4K: matrix.scales = CK_SCALES_4K
    case .q6K: matrix.scales = CK_SCALES_6K
    }
    matrix.row_count = shape[0]
    matrix.column_count = shape[1]
    matrix.group_size = groupSize
    return matrix
  }

  /// The matrix as the kernels see it; valid while the matrix lives.
  var kernel: ck_interleaved {
    var matrix = Self.kernelMatrix(shape, codes, scales, groupSize)
    matrix.data = UnsafePointer(data.start)
    if let blocks {
      matrix.column_scales = UnsafePointer(blocks.scales.start)
      matrix.column_weights = UnsafePointer(blocks.weights.start)
      matrix.block_rows = blocks.rows
      matrix.has_zero_rows = blocks.hasZeros
    }
    return matrix
  }

  private func withKernelMatrix<Result>(
    _ body: (UnsafePointer<ck_interleaved>) -> Result
  ) -> Result {
    withExtendedLifetime(self) { withUnsafePointer(to: kernel) { body($0) } }
  }

  /// Calls `body` with the jobs of all matrices and returns what they wrote.
  private static func withJobs(
    _ matrices: [(matrix: InterleavedMatrix, bias: Tensor<Float>?)],
    shape: Shape,
    _ body: (UnsafeBufferPointer<ck_interleaved_product>) -> Void
  ) -> [Tensor<Float>] {
    typealias Job = ck_interleaved_product
    return withUnsafeTemporaryAllocation(of: Job.self, capacity: matrices.count) { jobs in
      // Pointers live as long as the calls that give them: one inside the other.
      func results(from index: Int) -> [Tensor<Float>] {
        guard index < matrices.count else {
          body(UnsafeBufferPointer(jobs))
          return []
        }
        let (matrix, bias) = matrices[index]
        var others: [Tensor<Float>] = []
        let result = Tensor<Float>(
          uninitialized: shape.replacingLast(with: matrix.shape[0])
        ) { target in
          matrix.withKernelMatrix { kernel in
            bias.withElements { bias in
              let rows = matrix.shape[0]
              jobs.initializeElement(
                at: index,
                to: Job(matrix: kernel, bias: bias, y: target.baseAddress, stride_y: rows)
              )
              others = results(from: index + 1)
            }
          }
        }
        return [result] + others
      }
      return results(from: 0)
    }
  }
}

extension Optional where Wrapped == Tensor<Float> {
  /// Calls `body` with the elements, or with nil.
  fileprivate func withElements(_ body: (UnsafePointer<Float>?) -> Void) {
    guard let self else { return body(nil) }
    self.withUnsafeElements { body($0.baseAddress) }
  }
}
