import Foundation
import PointCloud
import Tensor
import TestSupport
import Testing

@Suite struct SegmentationMeasureTests {
  @Test func backgroundIsNoMistakeButAMissIs() {
    var confusion = SegmentationConfusion(classCount: 3)
    confusion.add(labels: Tensor([0, 1, 1, 2]), predictions: Tensor([1, 1, 0, 1]))
    // Class 1: one hit, one miss, one false alarm (the background's does not count).
    #expect(confusion.intersectionsOverUnions == [1.0 / 3, 0, nil])
    #expect(confusion.accuracy == 1.0 / 3)
    #expect(confusion.pointCount == 3)
    #expect(confusion.count(label: 0, prediction: 1) == 1)
    expectClose([confusion.meanIntersectionOverUnion(absent: .zero)], [1.0 / 9], relative: 1e-12)
    expectClose([confusion.meanIntersectionOverUnion(absent: .leftOut)], [1.0 / 6], relative: 1e-12)
    #expect(confusion.meanIntersectionOverUnion(of: 3...3, absent: .leftOut) == 0)
  }

  @Test func thingsAndStuff() {
    var confusion = SegmentationConfusion(classCount: 10)
    confusion.add(labels: Tensor([1, 1, 7, 8]), predictions: Tensor([1, 2, 7, 7]))
    let things = confusion.meanIntersectionOverUnion(
      of: SegmentationConfusion.commonThings,
      absent: .zero
    )
    let stuff = confusion.meanIntersectionOverUnion(
      of: SegmentationConfusion.commonStuff,
      absent: .leftOut
    )
    expectClose([things, stuff], [0.5 / 6, 0.25], relative: 1e-12)
  }

  @Test func emptyAndAdded() throws {
    var confusion = SegmentationConfusion(classCount: 2)
    #expect(confusion.accuracy == 0 && confusion.meanIntersectionOverUnion(absent: .zero) == 0)
    #expect(confusion.meanIntersectionOverUnion(absent: .leftOut) == 0)
    var other = SegmentationConfusion(classCount: 2)
    other.add(labels: Tensor([1, 2]), predictions: Tensor([1, 1]))
    confusion.add(other)
    confusion.add(other)
    #expect(confusion.counts == [0, 0, 0, 0, 2, 0, 0, 2, 0])
    let data = try JSONEncoder().encode(confusion)
    #expect(try JSONDecoder().decode(SegmentationConfusion.self, from: data) == confusion)
  }

  @Test func harmonicMean() {
    expectClose([SegmentationConfusion.harmonicMean([0.5, 0.25])], [1.0 / 3], relative: 1e-12)
    #expect(SegmentationConfusion.harmonicMean([0.5, 0]) == 0)
    #expect(SegmentationConfusion.harmonicMean([]) == 0)
  }

  @Test func classWeightsCountTheBackground() {
    var weights = ClassWeights(classCount: 2)
    weights.add(Tensor([0, 0, 1, 0]))
    weights.add(Tensor([1, 0, 0, 0]))
    #expect(weights.counts == [6, 2, 0])
    expectClose(weights.weights, [1 / 0.251, 1_000], relative: 1e-6)
    expectClose(ClassWeights(classCount: 1).weights, [1_000], relative: 1e-6)
  }

  @Test func targetsAreOneLess() {
    #expect(segmentationTargets(ofClasses: Tensor([0, 1, 10])).elements == [-1, 0, 9])
  }

  @Test func labelsOfVoxels() {
    // Voxel 0: 0 0 0 3; voxel 1: 5 2 5 2; voxel 2: 0 0; voxel 3: 7 7 7.
    let members = VoxelMembers(
      pointToVoxel: Tensor([0, 1, 0, 2, 0, 1, 3, 1, 0, 3, 1, 2, 3]),
      voxelCount: 4
    )
    let labels = Tensor<Int32>([0, 5, 0, 0, 0, 2, 7, 5, 3, 7, 2, 0, 7])
    #expect(VoxelLabels.majority(labels, of: members).elements == [3, 2, 0, 7])
    #expect(VoxelLabels.plainMajority(labels, of: members).elements == [0, 2, 0, 7])
    #expect(VoxelLabels.unanimous(labels, of: members).elements == [0, 0, 0, 7])
  }
}
