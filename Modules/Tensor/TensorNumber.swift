/// The element types with arithmetic: `Float`, `Double`, `Int32` and `Int64`.
///
/// Operations choose a loop by the element type; conforming further types has no use. Integers wrap
/// around on overflow, and divide towards zero.
public protocol TensorNumber: TensorElement, Comparable, SignedNumeric {}

/// The element types with functions such as `exp()` and `mean()`: `Float` and `Double`.
///
/// `Float` is what computes; `Double` is plain loops over the C library, for oracles and small
/// linear algebra.
public protocol TensorReal: TensorNumber, BinaryFloatingPoint {}

extension Float: TensorReal {}
extension Double: TensorReal {}
extension Int32: TensorNumber {}
extension Int64: TensorNumber {}

/// The elements that one part of a parallel operation of a few instructions each handles.
///
/// Below twice as many the caller works alone: handing over costs more than it gains.
let cheapGrain = 1 << 16

/// The elements that one part of a parallel operation of many instructions each handles: about
/// 64 KiB of each operand, small enough for the second-level cache.
let vectorGrain = 1 << 14
