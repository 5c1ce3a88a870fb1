import CImageFiles
import Checkpoints
import Tensor

extension DecodedImage {
  /// The image as the bytes of a PNG file.
  ///
  /// - Returns: the file; the same for the same pixels and version of libpng.
  /// - Throws: `ImageFileError` where there is no memory or an extent is above 1,000,000.
  public func pngBytes() throws(ImageFileError) -> [UInt8] {
    try pngBytes("PNG")
  }

  /// Writes a PNG file, which appears complete or not at all.
  ///
  /// - Throws: `ImageFileError.file`, and as `pngBytes()`.
  public func writePNG(to path: String) throws(ImageFileError) {
    let bytes = try pngBytes(path)
    do throws(CheckpointError) { try AtomicFile.write(bytes, to: path) } catch {
      throw .file(error)
    }
  }

  private func pngBytes(_ path: String) throws(ImageFileError) -> [UInt8] {
    let layout = cimage_layout(
      width: UInt32(clamping: width),
      height: UInt32(clamping: height),
      channels: Int32(channels)
    )
    var bytes: UnsafeMutablePointer<UInt8>?
    var count = 0
    try pixels.withUnsafeElements { elements throws(ImageFileError) in
      try checked(path) { message in
        cimage_png_encode(elements.baseAddress, layout, &bytes, &count, message)
      }
    }
    defer { cimage_free(bytes) }
    return Array(UnsafeBufferPointer(start: bytes, count: count))
  }
}
