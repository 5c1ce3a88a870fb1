extension Tensor where Element: TensorNumber {
  /// The running sums along an axis: element i is the sum of the elements 0 through i.
  ///
  /// Floats are added in double precision, integers wrap around.
  ///
  /// - Parameters:
  ///   - axis: the axis; a negative one counts from the end.
  ///   - exclusive: whether element i leaves itself out.
  ///   - reversed: whether the sums run from the end to the beginning.
  /// - Returns: The sums, in the shape of self.
  public func cumulativeSum(
    axis: Int,
    exclusive: Bool = false,
    reversed: Bool = false
  ) -> Tensor {
    let lines = AxisLines(shape, axis: shape.position(of: axis, "cumulativeSum"))
    return withUnsafeElements { source in
      Tensor(uninitialized: shape) { target in
        guard let x = source.baseAddress, let y = target.baseAddress, count > 0 else { return }
        let raw = (UnsafeRawPointer(x), UnsafeMutableRawPointer(y))
        let options = (exclusive: exclusive, reversed: reversed)
        switch Element.elementType {
        case .float32:
          lines.sums(Float.self, Double.self, raw, options) {
            Double($0)
          } _: {
            Float($0)
          }
        case .float64:
          lines.sums(Double.self, Double.self, raw, options) {
            $0
          } _: {
            $0
          }
        case .int32:
          lines.sums(Int32.self, IntegerSum<Int32>.self, raw, options) {
            .init(value: $0)
          } _: {
            $0.value
          }
        default:
          lines.sums(Int64.self, IntegerSum<Int64>.self, raw, options) {
            .init(value: $0)
          } _: {
            $0.value
          }
        }
      }
    }
  }
}

/// What running sums are kept in.
private protocol RunningSum {
  static var zero: Self { get }
  static func + (left: Self, right: Self) -> Self
}

extension Double: RunningSum {}

/// A sum that wraps around.
private struct IntegerSum<Value: FixedWidthInteger>: RunningSum {
  var value: Value
  static var zero: Self { Self(value: 0) }
  static func + (left: Self, right: Self) -> Self { Self(value: left.value &+ right.value) }
}

extension AxisLines {
  @inline(__always)
  fileprivate func sums<Element, Sum: RunningSum>(
    _: Element.Type,
    _: Sum.Type,
    _ raw: (UnsafeRawPointer, UnsafeMutableRawPointer),
    _ options: (exclusive: Bool, reversed: Bool),
    _ widened: (Element) -> Sum,
    _ narrowed: (Sum) -> Element
  ) {
    let x = raw.0.assumingMemoryBound(to: Element.self)
    let y = raw.1.assumingMemoryBound(to: Element.self)
    let grain = max(1, vectorGrain / max(extent * inner, 1))
    WorkPool.forEachRange(count: outer, grain: grain) { range in
      withUnsafeTemporaryAllocation(of: Sum.self, capacity: inner) { sums in
        for line in range {
          sums.update(repeating: .zero)
          for step in 0..<extent {
            let index = options.reversed ? extent - 1 - step : step
            let place = (line * extent + index) * inner
            for column in 0..<inner {
              let next = sums[column] + widened(x[place + column])
              y[place + column] = narrowed(options.exclusive ? sums[column] : next)
              sums[column] = next
            }
          }
        }
      }
    }
  }
}
