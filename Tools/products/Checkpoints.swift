import Checkpoints
import Tensor

let path = "/tmp/apus-product-\(UInt32.random(in: .min ... .max)).safetensors"
try SafetensorsFile.write(
  ["norm.weight": Tensor([1, 2, 3])],
  metadata: ["format": "pt"],
  to: path
)
let file = try SafetensorsFile(path: path)
let weight = try file.tensor(named: "norm.weight")
precondition(weight.elements == [1, 2, 3])
print(file.names, file.metadata)
