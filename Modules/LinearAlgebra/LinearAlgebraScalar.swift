import CLAPACK
public import Tensor

/// The element types that matrices are factored in: `Float` and `Double`.
public protocol LinearAlgebraScalar: TensorElement, BinaryFloatingPoint {
  /// What LAPACK offers for this type; only this module can make one.
  static var lapack: LAPACKRoutines<Self> { get }
}

extension Double: LinearAlgebraScalar {
  /// The routines whose names start with D.
  public static var lapack: LAPACKRoutines<Double> { doubleRoutines }
}

extension Float: LinearAlgebraScalar {
  /// The routines whose names start with S.
  public static var lapack: LAPACKRoutines<Float> { floatRoutines }
}

/// The LAPACK and BLAS routines for one element type, and the loops around them.
///
/// A table instead of generic code: every element loop is compiled for its type, whoever calls.
public struct LAPACKRoutines<Scalar: TensorElement>: Sendable {
  typealias Elements = UnsafeMutablePointer<Scalar>
  typealias Source = UnsafePointer<Scalar>
  typealias Pivots = UnsafeMutablePointer<Int32>

  let potrf: @Sendable (CChar, Int32, Elements?, Int32) -> Int32
  let potri: @Sendable (CChar, Int32, Elements?, Int32) -> Int32
  let getrf: @Sendable (Int32, Int32, Elements?, Int32, Pivots?) -> Int32
  let getri: @Sendable (Int32, Elements?, Int32, UnsafePointer<Int32>?, Elements?, Int32) -> Int32
  /// A factorization by reflectors: rows, columns, matrix, its stride, tau, workspace.
  let gelqf: @Sendable (Int32, Int32, Elements?, Int32, Elements?, Elements?, Int32) -> Int32
  let geqrf: @Sendable (Int32, Int32, Elements?, Int32, Elements?, Elements?, Int32) -> Int32
  /// The rows or columns of Q: their length and number, reflectors, matrix, its stride, tau,
  /// workspace.
  let orglq: @Sendable (Int32, Int32, Int32, Elements?, Int32, Source?, Elements?, Int32) -> Int32
  let orgqr: @Sendable (Int32, Int32, Int32, Elements?, Int32, Source?, Elements?, Int32) -> Int32
  /// A product with reflectors: side, transposition, extents of C, their number, the reflectors,
  /// their stride, tau, C, its stride, workspace.
  let ormqr:
    @Sendable (
      CChar, CChar, Int32, Int32, Int32, Source?, Int32, Source?, Elements?, Int32, Elements?, Int32
    ) -> Int32
  let trsmRight:
    @Sendable (CChar, CChar, CChar, Int32, Int32, Source?, Int32, Elements?, Int32) -> Void
  let loops: MatrixLoops<Scalar>
}

private let doubleRoutines: LAPACKRoutines<Double> = {
  LAPACKLibrary.start()
  return LAPACKRoutines(
    potrf: clapack_dpotrf,
    potri: clapack_dpotri,
    getrf: clapack_dgetrf,
    getri: clapack_dgetri,
    gelqf: clapack_dgelqf,
    geqrf: clapack_dgeqrf,
    orglq: clapack_dorglq,
    orgqr: clapack_dorgqr,
    ormqr: clapack_dormqr,
    trsmRight: clapack_dtrsm_right,
    loops: .double
  )
}()

private let floatRoutines: LAPACKRoutines<Float> = {
  LAPACKLibrary.start()
  return LAPACKRoutines(
    potrf: clapack_spotrf,
    potri: clapack_spotri,
    getrf: clapack_sgetrf,
    getri: clapack_sgetri,
    gelqf: clapack_sgelqf,
    geqrf: clapack_sgeqrf,
    orglq: clapack_sorglq,
    orgqr: clapack_sorgqr,
    ormqr: clapack_sormqr,
    trsmRight: clapack_strsm_right,
    loops: .float
  )
}()

/// A Fortran option: `.upper`, `.transposed`…
extension CChar {
  static let upper = CChar(UInt8(ascii: "U"))
  static let lower = CChar(UInt8(ascii: "L"))
  static let none = CChar(UInt8(ascii: "N"))
  static let transposed = CChar(UInt8(ascii: "T"))
  static let unitDiagonal = CChar(UInt8(ascii: "U"))
  static let fromTheRight = CChar(UInt8(ascii: "R"))
  static let vectors = CChar(UInt8(ascii: "V"))
  static let thin = CChar(UInt8(ascii: "S"))
  static let all = CChar(UInt8(ascii: "A"))
}
