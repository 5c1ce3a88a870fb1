import PointCloud
import Tensor
import Testing

@Suite struct LabelMapTests {
  @Test(arguments: [
    (
      LabelSet.semanticKITTI,
      [Int32](arrayLiteral: 0, 10, 252, 11, 15, 258, 259, 254, 60, 48, 72, 71, 31)
    ),
    (.nuScenes, [0, 17, 17, 14, 21, 23, 22, 6, 24, 26, 27, 30, 9]),
    (.waymo, [0, 1, 1, 12, 13, 2, 4, 7, 19, 17, 21, 16, 6]),
  ])
  func commonClassesOfStreetDataSets(_ labels: LabelSet, _ raw: [Int32]) {
    let map = LabelMap.common(from: labels)
    #expect(map.classes(of: Tensor(raw)).elements == [0, 1, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 0])
    #expect(map.classCount == 11)
    #expect(map.classNames[7] == "drivable-surface")
  }

  @Test func commonClassesOfRELLIS() {
    let raw: [Int32] = [8, 17, 10, 23, 1, 3, 33, 4, 19, 0, 5, 18, 27]
    let expected: [Int32] = [1, 6, 7, 7, 9, 9, 9, 10, 10, 0, 0, 0, 0]
    #expect(LabelMap.common(from: .rellis).classes(of: Tensor(raw)).elements == expected)
  }

  @Test func inverseOfSemanticKITTI() {
    let inverse: [Int32] = [
      0, 10, 11, 15, 18, 20, 30, 31, 32, 40, 44, 48, 49, 50, 51, 70, 71, 72, 80, 81,
    ]
    #expect(LabelMap.semanticKITTI19.rawLabels(of: Tensor((0..<20).map { $0 })).elements == inverse)
    #expect(LabelMap.semanticKITTI19.inverse == inverse)
  }

  @Test(
    arguments: LabelSet.allCases.map { LabelMap.common(from: $0) } + [
      .semanticKITTI19, .nuScenes16,
    ]
  )
  func predictionsComeBack(_ map: LabelMap) {
    let present = (0..<map.classCount).filter { !map.rawIDs[$0].isEmpty }.map { Int32($0) }
    let classes = Tensor(present)
    #expect(map.classes(of: map.rawLabels(of: classes)) == classes)
    #expect(Set(map.rawIDs.joined()).count == map.rawIDs.joined().count)
    #expect(map.colors(of: classes).count == classes.count)
  }

  @Test func rangesAreComplete() {
    #expect(LabelMap.nuScenes16.rawIDs.joined().sorted() == Array(0...31))
    #expect(LabelMap.common(from: .nuScenes).rawIDs.joined().sorted() == Array(0...31))
    #expect(LabelMap.common(from: .waymo).rawIDs.joined().sorted() == Array(0...22))
  }

  @Test func labelsOfAnotherDataSetAreBackgroundAndListed() {
    let map = LabelMap.semanticKITTI19
    let raw = Tensor<Int32>([10, 2, -5, 70_000, 2])
    #expect(map.classes(of: raw).elements == [1, 0, 0, 0, 0])
    #expect(map.unknownLabels(in: raw) == [-5, 2, 70_000])
    #expect(ClassColor(1, 160, 255).hexadecimal == "#01a0ff")
  }
}
