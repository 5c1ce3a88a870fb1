import GUIGrounding
import Tensor

let page = SyntheticPage(index: 7, seed: 1)
var generator = Philox(seed: 1)
let policy = NativeGroundingPolicy(NativePolicyConfiguration(), using: &generator)
let text = page.instruction.text
let result = try await SpatialSearch().run(policy, image: page.image, instruction: text)
print(text, result.point.map(page.box.contains) ?? false, result.cost.calls)
