import CImageFiles
import Checkpoints
public import Tensor

/// The pixels of a PNG or JPEG file.
///
///     let image = try DecodedImage(contentsOf: "digit.png").grayscale().resized(width: 28, height: 28)
///     try image.writePNG(to: "small.png")
///
/// Palettes and other bit depths become bytes. Gamma, colour profiles and the orientation that a
/// camera notes are left alone. The same file gives the same bytes on every machine.
///
/// - Shapes: `pixels` [H × W × C]; C is 1 (grey), 3 (RGB) or 4 (RGB and alpha, not multiplied in).
public struct DecodedImage: Sendable {
  /// The bytes, row by row from the top.
  public let pixels: Tensor<UInt8>

  /// Pixels of a row.
  public var width: Int { pixels.shape[1] }
  /// Rows.
  public var height: Int { pixels.shape[0] }
  /// Bytes of a pixel.
  public var channels: Int { pixels.shape[2] }

  /// The most pixels that are read unless the caller says otherwise.
  public static let standardPixelLimit = 100_000_000

  /// An image of pixels [H × W × C]; stops for another shape.
  public init(pixels: Tensor<UInt8>) {
    expect(
      pixels.rank == 3 && pixels.count > 0 && [1, 3, 4].contains(pixels.shape[2]),
      "image: pixels of shape \(pixels.shape), [H×W×1], [H×W×3] or [H×W×4] is needed"
    )
    self.pixels = pixels
  }

  /// Reads a PNG or JPEG file, whatever it is called.
  ///
  /// - Parameters:
  ///   - path: the file.
  ///   - pixelLimit: the most pixels; a file that has more is refused before memory is taken.
  /// - Throws: `ImageFileError`.
  public init(
    contentsOf path: String,
    pixelLimit: Int = standardPixelLimit
  ) throws(ImageFileError) {
    let file: MappedFile
    do throws(CheckpointError) { file = try MappedFile(path: path, mode: .inMemory) } catch {
      throw .file(error)
    }
    try self.init(file.bytes, path, pixelLimit)
  }

  /// Decodes the bytes of a PNG or JPEG file.
  ///
  /// - Parameters:
  ///   - bytes: the whole file.
  ///   - name: what messages call it.
  ///   - pixelLimit: the most pixels.
  /// - Throws: `ImageFileError`.
  public init(
    bytes: [UInt8],
    name: String = "image",
    pixelLimit: Int = standardPixelLimit
  ) throws(ImageFileError) {
    let result = bytes.withUnsafeBytes { buffer in
      Result { () throws(ImageFileError) in try DecodedImage(buffer, name, pixelLimit) }
    }
    self = try result.get()
  }

  private init(
    _ bytes: UnsafeRawBufferPointer,
    _ path: String,
    _ pixelLimit: Int
  ) throws(ImageFileError) {
    let decoder = try Decoder(bytes, path)
    let layout = try decoder.layout()
    let (width, height) = (Int(layout.width), Int(layout.height))
    let (count, overflow) = width.multipliedReportingOverflow(by: height)
    guard !overflow, count <= pixelLimit else {
      throw .tooLarge(path: path, width: width, height: height, pixelLimit: pixelLimit)
    }
    guard count > 0 else { throw .malformed(path: path, reason: "no pixels") }
    let shape: Shape = [height, width, Int(layout.channels)]
    self.init(
      pixels: try Tensor(uninitialized: shape) { (target) throws(ImageFileError) in
        try decoder.decode(layout, into: target)
      }
    )
  }
}

/// The bytes of a file, and the functions of their format.
private struct Decoder {
  private enum Format { case png, jpeg }

  private let format: Format
  private let bytes: UnsafePointer<UInt8>
  private let count: Int
  private let path: String

  init(_ buffer: UnsafeRawBufferPointer, _ path: String) throws(ImageFileError) {
    self.path = path
    guard let bytes = buffer.baseAddress, buffer.count > 0 else {
      throw .malformed(path: path, reason: "the file is empty")
    }
    if buffer.starts(with: [0x89, 0x50, 0x4E, 0x47]) {
      format = .png
    } else if buffer.starts(with: [0xFF, 0xD8]) {
      format = .jpeg
    } else {
      throw .unknownFormat(path: path)
    }
    self.bytes = bytes.assumingMemoryBound(to: UInt8.self)
    count = buffer.count
  }

  func layout() throws(ImageFileError) -> cimage_layout {
    var layout = cimage_layout()
    try checked(path) { message in
      switch format {
      case .png: cimage_png_layout(bytes, count, &layout, message)
      case .jpeg: cimage_jpeg_layout(bytes, count, &layout, message)
      }
    }
    return layout
  }

  func decode(
    _ layout: cimage_layout,
    into target: UnsafeMutableBufferPointer<UInt8>
  ) throws(ImageFileError) {
    try checked(path) { message in
      switch format {
      case .png: cimage_png_decode(bytes, count, layout, target.baseAddress, message)
      case .jpeg: cimage_jpeg_decode(bytes, count, layout, target.baseAddress, message)
      }
    }
  }
}

/// Calls a C function that reports by a code and a message.
func checked(
  _ path: String,
  _ body: (UnsafeMutablePointer<CChar>) -> Int32
) throws(ImageFileError) {
  var code: Int32 = 0
  var message = [CChar](repeating: 0, count: Int(CIMAGE_MESSAGE))
  message.withUnsafeMutableBufferPointer { buffer in
    if let start = buffer.baseAddress { code = body(start) }
  }
  guard Int(code) != CIMAGE_DONE else { return }
  let bytes = message.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }
  let reason = String(decoding: bytes, as: UTF8.self)
  switch Int(code) {
  case CIMAGE_UNSUPPORTED: throw .unsupported(path: path, reason: reason)
  case CIMAGE_MEMORY: throw .memory(path: path)
  default: throw .malformed(path: path, reason: reason)
  }
}
