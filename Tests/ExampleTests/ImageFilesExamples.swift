import ImageFiles
import Tensor
import TestSupport
import Testing

/// The code of the page of the module ImageFiles.
@Suite struct ImageFilesExamples {
  @Test func aPictureIsReadAndWritten() async {
    await #expect(processExitsWith: .success) {
      await inFreshFolder {
        // What a file holds is told by its bytes, not by its name.
        let ramp = (0..<56 * 56 * 3).map { UInt8($0 % 251) }
        try DecodedImage(pixels: Tensor(ramp, shape: [56, 56, 3])).writePNG(to: "digit.jpg")
        let photo = try DecodedImage(contentsOf: "digit.jpg")
        let image = photo.grayscale().resized(width: 28, height: 28)
        let pixels = image.pixels  // [28 × 28 × 1]
        try image.writePNG(to: "digit.png")
        #expect(pixels.shape == [28, 28, 1])
        #expect(try DecodedImage(contentsOf: "digit.png").pixels == pixels)
      }
    }
  }
}
