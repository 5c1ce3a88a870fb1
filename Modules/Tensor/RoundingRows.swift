import CKernels

/// Rounding of a matrix to integers with a step size per group, and the gradients that the
/// straight-through rule gives.
///
///     u = x / (base · exp(first + full + row + column))      value = step · clamp(round(u), low, high)
///
/// Every row is one call of a kernel, and rows go to several threads; sums over rows are taken after
/// that, in order. So no bit depends on the thread count.
///
/// - Shapes: x, full [N × K]; row [N]; column [K]; the others as `layout.shape`.
package struct RoundingRows {
  package var layout: GroupLayout
  package var base: Tensor<Float>
  package var first: Tensor<Float>
  package var steps: Tensor<Float>
  package var lows: Tensor<Float>
  package var highs: Tensor<Float>
  package var full: Tensor<Float>?
  package var row: Tensor<Float>?
  package var column: Tensor<Float>?

  /// Rounding by one scale per group: `base` is the step size, all exponents are 0.
  package init(
    layout: GroupLayout,
    base: Tensor<Float>,
    first: Tensor<Float>,
    steps: Tensor<Float>,
    lows: Tensor<Float>,
    highs: Tensor<Float>
  ) {
    for values in [base, first, steps, lows, highs] {
      expect(
        values.shape == layout.shape,
        "rounding: values of groups \(values.shape), groups \(layout.shape)"
      )
    }
    self.layout = layout
    (self.base, self.first, self.steps) = (base, first, steps)
    (self.lows, self.highs) = (lows, highs)
  }

  /// The rounded values, and u for the gradients.
  package func rounded(_ x: Tensor<Float>) -> (values: Tensor<Float>, quotients: Tensor<Float>) {
    expect(x.shape == layout.matrixShape, "rounding: \(x.shape), groups of \(layout.matrixShape)")
    var quotients = Tensor<Float>.zeros([0])
    let values = Tensor<Float>(uninitialized: x.shape) { values in
      quotients = Tensor(uninitialized: x.shape) { quotients in
        guard let to = values.baseAddress, let saved = quotients.baseAddress else { return }
        forEachRow(x) { row, start, rounding in
          ck_round_learned(rounding, saved + start, to + start)
        }
      }
    }
    return (values, quotients)
  }

  /// What the gradient of the values becomes.
  package struct Gradients {
    /// Of the exponent of each element, −g · step · u inside the bounds.
    package var shift: Tensor<Float>?
    /// Of u · step, g inside the bounds.
    package var input: Tensor<Float>?
    /// Σ of `shift` over each row [N].
    package var rowShift: Tensor<Float>
    /// Σ g · (integer − u inside the bounds) over each group, as `layout.shape`.
    package var steps: Tensor<Float>
  }

  /// Which gradients of elements are wanted.
  package enum ElementGradient { case shift, input }

  /// The gradients, from that of the values and from u.
  package func gradients(
    _ gradient: Tensor<Float>,
    quotients: Tensor<Float>,
    of kind: ElementGradient
  ) -> Gradients {
    let shape = quotients.shape
    expect(gradient.shape == shape, "rounding: gradient \(gradient.shape) of values \(shape)")
    let width = layout.columnGroups
    var rowShift = Tensor<Float>.zeros([layout.rowCount])
    var partial = Tensor<Float>.zeros([layout.rowCount, width])
    let elements = Tensor<Float>(uninitialized: gradient.shape) { elements in
      partial.withUnsafeMutableElements { partial in
        rowShift.withUnsafeMutableElements { sums in
          gradient.withUnsafeElements { gradient in
            guard let to = elements.baseAddress, let from = gradient.baseAddress,
              let steps = partial.baseAddress, let sums = sums.baseAddress
            else { return }
            forEachRow(quotients) { row, start, rounding in
              var back = ck_rounding_gradient()
              back.gradient = from + start
              back.u = rounding.pointee.x
              switch kind {
              case .shift: back.shift = to + start
              case .input: back.input = to + start
              }
              back.step = steps + row * width
              sums[row] = Float(ck_round_learned_gradient(rounding, &back))
            }
          }
        }
      }
    }
    return Gradients(
      shift: kind == .shift ? elements : nil,
      input: kind == .input ? elements : nil,
      rowShift: rowShift,
      steps: layout.summingRows(partial)
    )
  }

  /// Calls `body` with each row's number, where it starts, and the kernel's view of it.
  private func forEachRow(
    _ x: Tensor<Float>,
    _ body: (_ row: Int, _ start: Int, _ rounding: UnsafePointer<ck_rounding>) -> Void
  ) {
    let (columns, width) = (layout.columnCount, layout.columnGroups)
    guard x.count > 0 else { return }
    let grain = max(1, 16_384 / columns)
    x.withUnsafeElements { x in
      withExponents { base, first, steps, lows, highs, full, shifts, column in
        WorkPool.forEachRange(count: layout.rowCount, grain: grain) { range in
          for row in range {
            let (start, group) = (row * columns, row / layout.rowsPerGroup * width)
            var view = ck_rounding()
            view.n = columns
            view.group = layout.columnsPerGroup
            view.x = x.baseAddress.map { $0 + start }
            view.full = full.map { $0 + start }
            view.column = column
            view.row = shifts.map { $0[row] } ?? 0
            view.base = base + group
            view.first = first + group
            view.step = steps + group
            view.low = lows + group
            view.high = highs + group
            body(row, start, &view)
          }
        }
      }
    }
  }

  private typealias Floats = UnsafePointer<Float>

  private func withExponents(
    _ body: (Floats, Floats, Floats, Floats, Floats, Floats?, Floats?, Floats?) -> Void
  ) {
    base.withUnsafeElements { base in
      first.withUnsafeElements { first in
        steps.withUnsafeElements { steps in
          lows.withUnsafeElements { lows in
            highs.withUnsafeElements { highs in
              guard let base = base.baseAddress, let first = first.baseAddress,
                let steps = steps.baseAddress, let lows = lows.baseAddress,
                let highs = highs.baseAddress
              else { return }
              let shifts = self.row?.withUnsafeElements { $0.baseAddress }
              let full = self.full?.withUnsafeElements { $0.baseAddress }
              let column = self.column?.withUnsafeElements { $0.baseAddress }
              body(base, first, steps, lows, highs, full ?? nil, shifts ?? nil, column ?? nil)
            }
          }
        }
      }
    }
    withExtendedLifetime((self.row, self.full, self.column)) {}
  }
}
