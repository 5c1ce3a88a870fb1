public import Tensor

extension NPYFile {
  /// Writes an array of floats as NumPy does, little-endian and row by row; the file appears complete
  /// or not at all.
  ///
  /// - Throws: `CheckpointError.unwritable`.
  public static func write(_ tensor: Tensor<Float>, to path: String) throws(CheckpointError) {
    let header = self.header(of: tensor.shape)
    let file = try AtomicFile(path: path, reserving: header.count + 4 * tensor.count)
    try append(header, to: file)
    try append(tensor.withUnsafeElements { $0.map(\.bitPattern.littleEndian) }, to: file)
    try file.commit()
  }

  private static func append<Element: BitwiseCopyable>(
    _ elements: [Element],
    to file: AtomicFile
  ) throws(CheckpointError) {
    let outcome = elements.withUnsafeBytes { bytes in
      Result<Void, CheckpointError> { () throws(CheckpointError) in try file.append(bytes) }
    }
    try outcome.get()
  }

  /// Version 1 of the header, filled up to a multiple of 64 bytes.
  private static func header(of shape: Shape) -> [UInt8] {
    let extents = shape.extents.map { "\($0)" }.joined(separator: ", ")
    let tuple = shape.rank == 1 ? "(\(extents),)" : "(\(extents))"
    var text = Array("{'descr': '<f4', 'fortran_order': False, 'shape': \(tuple), }".utf8)
    while (10 + text.count + 1) % 64 != 0 { text.append(0x20) }
    text.append(0x0A)
    let count = [UInt8(text.count & 255), UInt8(text.count >> 8)]
    return [0x93] + Array("NUMPY".utf8) + [1, 0] + count + text
  }
}
