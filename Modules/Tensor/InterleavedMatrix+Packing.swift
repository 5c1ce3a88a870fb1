import CKernels

extension InterleavedMatrix {
  /// Where the rows of one band are put before they are interleaved.
  package struct Band {
    /// [rows × K]; of signs bit i for plane i.
    package let codes: UnsafeMutableBufferPointer<UInt8>
    /// [rows × groups]; of signs [rows × groups × planes].
    package let scales: UnsafeMutableBufferPointer<Float>
    /// [rows × groups], zeros at first: zero points for `.halfZeros`, minima for `.q4K`.
    package let offsets: UnsafeMutableBufferPointer<Float>
    /// [rows × units of 32] for `.q4K`, [rows × units of 16] for `.q6K`.
    package let unitScales: UnsafeMutableBufferPointer<UInt8>
    /// [rows × units of 32] for `.q4K`.
    package let unitOffsets: UnsafeMutableBufferPointer<UInt8>
  }

  /// Whether groups of that many columns can be interleaved.
  package static func supports(groupSize: Int, columnCount: Int) -> Bool {
    groupSize % 32 == 0 || groupSize >= columnCount
  }

  /// A matrix whose rows are put into bands by `fill`, several bands at once.
  ///
  /// - Parameters:
  ///   - shape: [N × K], neither 0.
  ///   - codes: what codes are.
  ///   - scales: how scales are stored; they must be exact so.
  ///   - groupSize: the columns that share scales, see `supports(groupSize:columnCount:)`.
  ///   - fill: puts the rows of a range into a band, the first one at its start.
  package init(
    shape: Shape,
    codes: Codes,
    scales: Scales,
    groupSize: Int,
    fill: (_ rows: Range<Int>, _ band: Band) -> Void
  ) {
    let (rows, columns) = (shape[0], shape[1])
    expect(
      columns > 0 && groupSize > 0
        && Self.supports(groupSize: groupSize, columnCount: columns),
      "interleaved matrix: groups of \(groupSize) for \(shape)"
    )
    var kernel = Self.kernelMatrix(shape, codes, scales, groupSize)
    let height = ck_interleaved_band_rows(&kernel)
    let size = ck_interleaved_band_bytes(&kernel)
    let bands = (rows + height - 1) / height
    let matrix = kernel
    let data = WeightBlock.tensor(byteCount: bands * size) { to in
      WorkPool.forEach(parts: bands) { band in
        let range = band * height..<min((band + 1) * height, rows)
        Self.withBand(matrix, rows: range.count) { buffers, kernelBand in
          fill(range, buffers)
          withUnsafePointer(to: matrix) { matrix in
            withUnsafePointer(to: kernelBand) { ck_interleave(matrix, $0, to + band * size) }
          }
        }
      }
    }
    self.init(shape: shape, codes: codes, scales: scales, groupSize: groupSize, data: data)
  }

  private static func withBand(
    _ matrix: ck_interleaved,
    rows: Int,
    _ body: (Band, ck_band) -> Void
  ) {
    let columns = matrix.column_count
    let groups = (columns + matrix.group_size - 1) / matrix.group_size
    let planes = matrix.codes == CK_SIGNS ? Int(matrix.planes) : 1
    let units = (columns + 31) / 32
    let (scaleCount, byteCount) = (rows * groups * planes, rows * (columns + 3 * units))
    let floatCount = scaleCount + rows * groups
    withUnsafeTemporaryAllocation(of: UInt8.self, capacity: byteCount) { bytes in
      withUnsafeTemporaryAllocation(of: Float.self, capacity: floatCount) { floats in
        bytes.initialize(repeating: 0)
        floats.initialize(repeating: 0)
        func part(_ first: Int, _ count: Int) -> UnsafeMutableBufferPointer<UInt8> {
          UnsafeMutableBufferPointer(rebasing: bytes[first..<first + count])
        }
        let band = Band(
          codes: part(0, rows * columns),
          scales: UnsafeMutableBufferPointer(rebasing: floats[..<scaleCount]),
          offsets: UnsafeMutableBufferPointer(rebasing: floats[scaleCount...]),
          unitScales: part(rows * columns, 2 * rows * units),
          unitOffsets: part(rows * (columns + 2 * units), rows * units)
        )
        var kernel = ck_band()
        kernel.rows = rows
        kernel.codes = UnsafePointer(band.codes.baseAddress)
        kernel.scale = UnsafePointer(band.scales.baseAddress)
        kernel.offset = UnsafePointer(band.offsets.baseAddress)
        kernel.unit_scale = UnsafePointer(band.unitScales.baseAddress)
        kernel.unit_offset = UnsafePointer(band.unitOffsets.baseAddress)
        body(band, kernel)
      }
    }
  }
}

extension Tensor where Element == Float {
  /// Whether half precision holds all elements exactly.
  fileprivate var areHalves: Bool {
    withUnsafeElements { $0.allSatisfy { Float(Float16($0)) == $0 } }
  }
}

// MARK: - Codes of grids

extension InterleavedMatrix {
  /// The values of packed rows; nil where groups are not whole units of 32 columns.
  ///
  /// Codes of 1 bit are stored as 2, those of 6 and 7 bits as 8.
  package init?(_ rows: PackedRows) {
    let (count, columns) = (rows.rowCount, rows.columnCount)
    let sharesScale = rows.scales.shape[0] == 1 && count > 1
    let groupSize = sharesScale ? max(columns, 1) : rows.groupSize
    guard count > 0, columns > 0, Self.supports(groupSize: groupSize, columnCount: columns) else {
      return nil
    }
    let bits = rows.bits <= 2 ? 2 : rows.bits <= 5 ? rows.bits : 8
    let scales = Self.scales(of: rows)
    let (groups, width) = ((columns + groupSize - 1) / groupSize, rows.words.shape[1])
    let middle = Float(1 << (rows.bits - 1))
    self = rows.words.withUnsafeElements { words in
      rows.scales.withUnsafeElements { steps in
        (rows.zeros ?? Tensor(repeating: middle, shape: [0])).withUnsafeElements { zeros in
          InterleavedMatrix(
            shape: [count, columns],
            codes: .bits(bits),
            scales: scales,
            groupSize: groupSize
          ) { range, band in
            Self.unpack(words, width, columns, bits: rows.bits, range, into: band.codes)
            for place in 0..<range.count * groups {
              let from = sharesScale ? 0 : range.lowerBound * groups + place
              let zero = zeros.isEmpty ? middle : zeros[from]
              band.scales[place] = steps[from]
              switch scales {
              case .halfZeros: band.offsets[place] = zero
              case .float: band.offsets[place] = -zero * steps[from]
              default: break
              }
            }
          }
        }
      }
    }
  }

  /// The smallest exact storage of the scales and zero points.
  private static func scales(of rows: PackedRows) -> Scales {
    guard rows.scales.areHalves else { return .float }
    guard let zeros = rows.zeros else { return .half(zero: 1 << (rows.bits - 1)) }
    let areBytes = zeros.withUnsafeElements { zeros in
      zeros.allSatisfy { (0...255).contains($0) && $0.rounded() == $0 }
    }
    return areBytes ? .halfZeros : .float
  }

  /// The codes of a range of rows, from the band's row `place` on.
  private static func unpack(
    _ words: UnsafeBufferPointer<Int32>,
    _ width: Int,
    _ columns: Int,
    bits: Int,
    _ range: Range<Int>,
    into codes: UnsafeMutableBufferPointer<UInt8>,
    at place: Int = 0
  ) {
    guard let from = words.baseAddress, let to = codes.baseAddress else { return }
    from.withMemoryRebound(to: UInt32.self, capacity: words.count) { words in
      for (index, row) in range.enumerated() {
        ck_unpack(columns, words + row * width, Int32(bits), to + (place + index) * columns)
      }
    }
  }

  /// scale[b, c] · (code[r, c] − zero[b, c]) for blocks b of rows: step sizes of inputs, as AdaDim has them.
  ///
  /// - Parameters:
  ///   - rows: the codes [N × K]; their own scales and zeros are not looked at.
  ///   - blockRows: the rows of a block; the last may have fewer.
  ///   - scales: [⌈N / blockRows⌉ × K].
  ///   - zeros: likewise, below 2^bits; nil for 2^(bits − 1).
  package init?(
    _ rows: PackedRows,
    blockRows: Int,
    scales: Tensor<Float>,
    zeros: Tensor<UInt8>?
  ) {
    let (count, columns, width) = (rows.rowCount, rows.columnCount, rows.words.shape[1])
    guard count > 0, columns > 0 else { return nil }
    let size = min(blockRows, count)
    let blocks = (count + size - 1) / size
    expect(
      scales.shape == [blocks, columns] && (zeros?.shape ?? scales.shape) == scales.shape,
      "interleaved matrix: blocks of \(blockRows) rows of [\(count), \(columns)] with scales "
        + "\(scales.shape) and zeros \(zeros?.shape ?? [])"
    )
    let codes = Codes.bits(rows.bits <= 2 ? 2 : rows.bits <= 5 ? rows.bits : 8)
    let storage = Scales.half(zero: zeros == nil ? 1 << (rows.bits - 1) : 0)
    var kernel = Self.kernelMatrix([count, columns], codes, storage, columns)
    (kernel.block_rows, kernel.has_zero_rows) = (size, zeros != nil)
    // A block begins with a band.
    let stored = ck_interleaved_block_bands(&kernel) * ck_interleaved_band_rows(&kernel)
    let last = count - (blocks - 1) * size + (zeros == nil ? 0 : 1)
    let matrix = rows.words.withUnsafeElements { words in
      (zeros ?? Tensor(repeating: 0, shape: [0])).withUnsafeElements { zeros in
        InterleavedMatrix(
          shape: [(blocks - 1) * stored + last, columns],
          codes: codes,
          scales: storage,
          groupSize: columns
        ) { range, band in
          for (place, row) in range.enumerated() {
            let (block, index) = (row / stored, row % stored)
            let outputs = min(size, count - block * size)
            band.scales[place] = 1
            if index < outputs {
              let from = block * size + index
              Self.unpack(
                words,
                width,
                columns,
                bits: rows.bits,
                from..<from + 1,
                into: band.codes,
                at: place
              )
            } else if index == outputs, !zeros.isEmpty {
              for column in 0..<columns {
                band.codes[place * columns + column] = zeros[block * columns + column]
              }
            }
          }
        }
      }
    }
    self.init(
      shape: [count, columns],
      codes: codes,
      scales: storage,
      groupSize: columns,
      data: matrix.data,
      blocks: ScaledBlocks(
        rows: size,
        scales: scales,
        weights: Self.errorWeights(scales),
        hasZeros: zeros != nil
      )
    )
  }

  /// What the kernels weigh errors of inputs with that were scaled [blocks × …].
  private static func errorWeights(_ scales: Tensor<Float>) -> Tensor<Float> {
    let (blocks, columns) = (scales.shape[0], scales.shape[1])
    let count = ck_column_weight_count(columns)
    return scales.withUnsafeElements { scales in
      Tensor(uninitialized: [blocks, count]) { weights in
        guard let from = scales.baseAddress, let to = weights.baseAddress else { return }
        for block in 0..<blocks {
          ck_weigh_columns(columns, from + block * columns, to + block * count)
        }
      }
    }
  }
}

// MARK: - Signs

extension InterleavedMatrix {
  /// The values of binary codes; nil where groups are not whole units of 32 columns.
  package init?(_ rows: BinaryRows) {
    let (count, columns, planes) = (rows.rowCount, rows.columnCount, rows.planeCount)
    guard count > 0, columns > 0,
      Self.supports(groupSize: rows.groupSize, columnCount: columns)
    else { return nil }
    let areHalves = rows.scales.areHalves && rows.offsets?.areHalves ?? true
    let (groups, width) = (rows.scales.shape[1], rows.words.shape[2])
    self = rows.words.withUnsafeElements { words in
      rows.scales.withUnsafeElements { scales in
        (rows.offsets ?? Tensor(repeating: 0, shape: [0])).withUnsafeElements { offsets in
          InterleavedMatrix(
            shape: [count, columns],
            codes: .signs(planes: planes),
            scales: areHalves ? .halfOffsets : .float,
            groupSize: rows.groupSize
          ) { range, band in
            for (place, row) in range.enumerated() {
              Self.gather(words, row * planes * width, width, planes, columns, band.codes, place)
            }
            for place in 0..<range.count * groups * planes {
              band.scales[place] = scales[range.lowerBound * groups * planes + place]
            }
            guard !offsets.isEmpty else { return }
            for place in 0..<range.count * groups {
              band.offsets[place] = offsets[range.lowerBound * groups + place]
            }
          }
        }
      }
    }
  }

  /// The signs of a row, a bit for each plane.
  private static func gather(
    _ words: UnsafeBufferPointer<Int32>,
    _ first: Int,
    _ width: Int,
    _ planes: Int,
    _ columns: Int,
    _ codes: UnsafeMutableBufferPointer<UInt8>,
    _ row: Int
  ) {
    for plane in 0..<planes {
      let (from, bit) = (first + plane * width, UInt8(1) << UInt8(plane))
      for column in 0..<columns {
        let word = UInt32(bitPattern: words[from + column >> 5])
        if word >> UInt32(column & 31) & 1 == 1 { codes[row * columns + column] |= bit }
      }
    }
  }
}
