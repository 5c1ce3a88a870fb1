import Novelty
import Tensor

var generator = Philox(seed: 1)
let normal = Tensor<Float>.uniform([120, 16], from: 0, to: 0.5, using: &generator)
let strange = Tensor<Float>.uniform([8, 16], from: 0.5, to: 1, using: &generator)
let detector = OAAE(.perceptron())
try detector.fit(NormalData(inputs: normal, labels: (0..<120).map { Int32($0 % 3) }))
try detector.calibrate(on: normal, rule: .falsePositiveRate(0.05))
for verdict in try detector.verdicts(on: strange) { print(verdict.score, verdict.isNovel) }
