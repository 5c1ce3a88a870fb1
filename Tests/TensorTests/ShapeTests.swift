import Foundation
import Tensor
import Testing

@Suite struct ShapeTests {
  @Test func aScalarHasRankZeroAndOneElement() {
    let shape: Shape = []
    #expect(shape.rank == 0)
    #expect(shape.count == 1)
    #expect(shape.extents.isEmpty)
    #expect("\(shape)" == "[]")
    #expect(Tensor<Float>(scalar: 3).item == 3)
  }

  @Test(arguments: [[], [5], [2, 3], [4, 1, 7], [1, 2, 3, 4, 5, 6]])
  func extentsRoundTrip(extents: [Int]) {
    let shape = Shape(extents)
    #expect(shape.extents == extents)
    #expect(shape.rank == extents.count)
    #expect(shape.count == extents.reduce(1, *))
  }

  @Test func negativeAxesCountFromTheEnd() {
    let shape: Shape = [2, 3, 4]
    #expect(shape[-1] == 4)
    #expect(shape[-3] == shape[0])
  }

  @Test(arguments: [[0], [0, 3], [2, 0], [2, 0, 3]])
  func aZeroExtentLeavesNoElements(extents: [Int]) {
    let tensor = Tensor<Float>.zeros(Shape(extents))
    #expect(tensor.count == 0)
    #expect(tensor.elements.isEmpty)
    #expect(tensor.shape.extents == extents)
  }

  @Test func trailingOnesMakeAnotherShape() {
    let matrix: Shape = [2, 3]
    #expect(matrix != [2, 3, 1])
    #expect(matrix != [3, 2])
    #expect(Set([matrix, [2, 3], [2, 3, 1], [6]]).count == 3)
  }

  @Test func describesItsExtents() {
    let shape: Shape = [2, 3, 40]
    #expect("\(shape)" == "[2×3×40]")
  }

  @Test func isCodedAsAListOfExtents() throws {
    let shapes: [Shape] = [[], [7], [2, 0, 3], [1, 2, 3, 4, 5, 6]]
    let data = try JSONEncoder().encode(shapes)
    #expect(String(decoding: data, as: UTF8.self) == "[[],[7],[2,0,3],[1,2,3,4,5,6]]")
    #expect(try JSONDecoder().decode([Shape].self, from: data) == shapes)
  }

  @Test(arguments: [
    "[1,2,3,4,5,6,7]", "[-1]", "[2,-3]", "[1.5]", "3", "{}", "[4611686018427387904,4]",
    "[0,4611686018427387904,4]",
  ])
  func decodingRefusesWhatIsNoShape(text: String) {
    #expect(throws: DecodingError.self) {
      try JSONDecoder().decode(Shape.self, from: Data(text.utf8))
    }
  }

  @Test func derivedShapesReplaceOneExtent() {
    let shape: Shape = [2, 3, 4]
    #expect(shape.droppingFirst == [3, 4])
    #expect(shape.replacingFirst(with: 9) == [9, 3, 4])
    #expect(shape.replacingLast(with: 9) == [2, 3, 9])
  }
}
