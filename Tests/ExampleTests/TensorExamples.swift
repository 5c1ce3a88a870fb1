import Tensor
import Testing

/// The code of the page of the module Tensor.
@Suite struct TensorExamples {
  @Test func valuesAndSelections() {
    var generator = Philox(seed: 1)
    let x = Tensor<Float>.normal([4, 8], using: &generator)
    let weights = x.matmul(x, transposingOther: true).softmax()  // [4×4], each row adds up to 1
    let mixed = weights.matmul(x).rmsNormalized(weight: .ones([8]), epsilon: 1e-5)
    var columns = mixed[.all, 2...4]  // [4×3]
    columns[0] = Tensor(scalar: 0)  // mixed stays as it is
    let positive = x.rows(where: x[.all, 0] .> 0)  // the rows that begin with a positive number
    print(columns.max(axes: 0), positive.shape, mixed.converted(to: Float16.self))
    #expect(weights.sum(axes: 1).elements.allSatisfy { abs($0 - 1) < 1e-6 })
    #expect(columns[0].elements == [0, 0, 0] && columns[1] == mixed[1, 2...4])
    #expect(!mixed[0, 2...4].elements.contains(0))
    #expect(positive[.all, 0].elements.allSatisfy { $0 > 0 })
    #expect(positive.shape[0] == x[.all, 0].elements.count { $0 > 0 })
  }
}
