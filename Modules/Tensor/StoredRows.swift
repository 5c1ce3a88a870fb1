import CKernels

/// Keys or values of a sequence as a cache stores them.
///
/// - Shapes: [KV × capacity × d].
package enum StoredRows {
  /// As they are.
  case floats(Tensor<Float>)
  /// As codes of 8 bits, x = s · (code − z); s and z of each row side by side [KV × capacity × 2].
  case codes(Tensor<UInt8>, grids: Tensor<Float>)

  /// [KV × capacity × d].
  package var shape: Shape {
    switch self {
    case .floats(let floats): floats.shape
    case .codes(let codes, _): codes.shape
    }
  }

  /// Where the kernel finds them; valid while they live.
  var kernel: (floats: UnsafePointer<Float>?, codes: ck_coded_rows) {
    switch self {
    case .floats(let floats): (UnsafePointer(floats.start), ck_coded_rows())
    case .codes(let codes, let grids):
      (nil, ck_coded_rows(codes: UnsafePointer(codes.start), grids: UnsafePointer(grids.start)))
    }
  }
}
