import PointCloud
import Tensor

var generator = Philox(seed: 1)
let model = PointSegmenter(SegmenterConfiguration(.tiny), using: &generator)
let scan = LidarSimulator(model: .vlp16).scan(StreetScene(seed: 3), seed: 1)
let result = try model.segment(scan, of: .vlp16)
print(scan.count, result.classes.shape, result.classes.elements.prefix(8))
