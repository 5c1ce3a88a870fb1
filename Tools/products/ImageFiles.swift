import ImageFiles
import Tensor

let path = "/tmp/apus-product-\(UInt32.random(in: .min ... .max)).png"
let ramp = (0..<56 * 56 * 3).map { UInt8($0 % 251) }
try DecodedImage(pixels: Tensor(ramp, shape: [56, 56, 3])).writePNG(to: path)
let image = try DecodedImage(contentsOf: path).grayscale().resized(width: 28, height: 28)
precondition(image.pixels.shape == [28, 28, 1])
print(image.pixels.shape)
