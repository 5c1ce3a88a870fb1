import Autograd
import Checkpoints
import PointCloud
import Tensor
import TestSupport
import Testing

extension PointCloudConformance {
  /// The segmentation losses and their gradients: every `losses_*` file.
  @Suite struct LossCases {
    static let files = Fixtures.names(in: "pointcloud", suffix: ".safetensors")
      .filter { $0.hasPrefix("losses_") }

    @Test func filesAreThere() { #expect(!Self.files.isEmpty) }

    @Test(arguments: files) func valuesAndGradients(name: String) throws {
      let file = try SafetensorsFile(path: Fixtures.file("pointcloud/" + name))
      let labels = try file.tensor(named: "labels", as: Int32.self)
      let weights = try file.tensor(named: "class_weights").elements
      let description = try JSONValue.parse(#require(file.metadata["case"]))
      let ignored = try Int32(#require(description["ignore"]?.intValue))
      let losses: [(String, (Variable) -> Variable)] = [
        ("ce", { weightedCrossEntropy(logits: $0, targets: labels, ignoring: ignored) }),
        (
          "wce",
          {
            weightedCrossEntropy(logits: $0, targets: labels, weights: weights, ignoring: ignored)
          }
        ),
        (
          "lovasz_present",
          { lovaszSoftmax(logits: $0, targets: labels, classes: .present, ignoring: ignored) }
        ),
        (
          "lovasz_all",
          { lovaszSoftmax(logits: $0, targets: labels, classes: .all, ignoring: ignored) }
        ),
      ]
      for (loss, compute) in losses {
        let logits = Variable(following: try file.tensor(named: "logits"))
        let value = compute(logits)
        let expected = try file.tensor(named: loss)
        expectClose(value.value.elements, expected.elements, relative: 1e-5, loss)
        value.backward()
        expectClose(
          try #require(logits.gradient),
          try file.tensor(named: "grad_logits_" + loss),
          relative: 1e-4,
          absolute: 1e-7,
          loss
        )
      }
    }
  }

  /// Confusion counts and what follows from them: every `metrics_*` file.
  @Suite struct MetricCases {
    static let files = Fixtures.names(in: "pointcloud", suffix: ".safetensors")
      .filter { $0.hasPrefix("metrics_") }

    @Test func filesAreThere() { #expect(!Self.files.isEmpty) }

    @Test(arguments: files) func confusionAndMeasures(name: String) throws {
      let file = try SafetensorsFile(path: Fixtures.file("pointcloud/" + name))
      let expected = try file.tensor(named: "confusion", as: Int32.self)
      var confusion = SegmentationConfusion(classCount: expected.shape[0] - 1)
      confusion.add(
        labels: try file.tensor(named: "gt", as: Int32.self),
        predictions: try file.tensor(named: "pred", as: Int32.self)
      )
      #expect(confusion.counts == expected.elements.map { Int($0) })
      func check(_ found: Double, _ name: String) throws {
        let value = try file.tensor(named: name).elements.map(Double.init)
        expectClose([found], value, absolute: 1e-6, name)
      }
      expectClose(
        confusion.intersectionsOverUnions.map { $0 ?? -1 },
        try file.tensor(named: "iou").elements.map(Double.init),
        absolute: 1e-6,
        "iou"
      )
      try check(confusion.meanIntersectionOverUnion(absent: .zero), "miou_absent_zero")
      try check(confusion.meanIntersectionOverUnion(absent: .leftOut), "miou_present_only")
      try check(confusion.accuracy, "accuracy")
    }
  }

  /// The labels of voxels: every `voxelize_*` file.
  @Suite struct VoxelLabelCases {
    static let files = Fixtures.names(in: "pointcloud", suffix: ".safetensors")
      .filter { $0.hasPrefix("voxelize_") }

    @Test func filesAreThere() { #expect(!Self.files.isEmpty) }

    @Test(arguments: files) func labelsAndMaxima(name: String) throws {
      let file = try SafetensorsFile(path: Fixtures.file("pointcloud/" + name))
      func integers(_ name: String) throws -> Tensor<Int32> {
        try file.tensor(named: name, as: Int32.self)
      }
      let members = VoxelMembers(
        pointToVoxel: try integers("point_to_voxel"),
        voxelCount: try integers("counts").count
      )
      let labels = try integers("labels")
      #expect(VoxelLabels.majority(labels, of: members) == (try integers("majority_label_ignore0")))
      #expect(VoxelLabels.plainMajority(labels, of: members) == (try integers("majority_label")))
      #expect(VoxelLabels.unanimous(labels, of: members) == (try integers("unanimous_label")))
      let features = Variable(try file.tensor(named: "features"))
      #expect(
        segmentMaximum(features, of: members).value == (try file.tensor(named: "max_features"))
      )
    }
  }
}
