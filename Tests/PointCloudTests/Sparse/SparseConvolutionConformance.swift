import Autograd
import Checkpoints
import PointCloud
import Tensor
import TestSupport
import Testing

extension PointCloudConformance {
  /// Submanifold, strided and inverse convolutions with their gradients.
  @Suite struct SparseConvolutions {
    static let keeping = SparseFixture.all("subm_")
    static let stepping = SparseFixture.all("conv_")

    @Test func filesHoldCases() { #expect(!Self.keeping.isEmpty && !Self.stepping.isEmpty) }

    @Test(arguments: keeping) func submanifold(item: SparseFixture) throws {
      let file = try item.open()
      let sites = try SparseSites(coordinates: file.ids("coords"))
      let weight = try #require(try file.parameter("weight"))
      let layer = SubmanifoldConvolution(weight: weight, bias: try file.parameter("bias"))
      let map = sites.submanifoldMap(kernelSize: layer.kernelSize)
      #expect(map.triples == (try file.ids("pairs").elements))
      let features = try file.leaf("features")
      let output = layer(SparseTensor(sites: sites, features: features)).features
      expectNear(output.value, try file.floats("output"), "output")
      output.backward(from: try file.floats("grad_output"))
      expectNear(features.gradient, try file.floats("grad_features"), "gradient of features")
      expectNear(weight.gradient, try file.floats("grad_weight"), "gradient of weight")
      if let bias = layer.bias {
        expectNear(bias.gradient, try file.floats("grad_bias"), "gradient of bias")
      }
    }

    @Test(arguments: stepping) func strided(item: SparseFixture) throws {
      let file = try item.open()
      let sites = try SparseSites(coordinates: file.ids("coords"))
      let weight = try #require(try file.parameter("weight"))
      let layer = StridedSparseConvolution(weight: weight, bias: try file.parameter("bias"))
      let (coarse, map) = sites.strided(kernelSize: layer.kernelSize)
      #expect(coarse.coordinates == (try file.ids("out_coords")))
      #expect(coarse.stride == 2)
      #expect(map.triples == (try file.ids("pairs").elements))
      let features = try file.leaf("features")
      let output = layer(SparseTensor(sites: sites, features: features))
      #expect(output.sites === coarse)
      expectNear(output.features.value, try file.floats("output"), "output")
      output.features.backward(from: try file.floats("grad_output"))
      expectNear(features.gradient, try file.floats("grad_features"), "gradient of features")
      expectNear(weight.gradient, try file.floats("grad_weight"), "gradient of weight")
    }

    @Test(arguments: stepping) func inverse(item: SparseFixture) throws {
      let file = try item.open()
      let sites = try SparseSites(coordinates: file.ids("coords"))
      let weight = try #require(try file.parameter("inv_weight"))
      let bias = try file.parameter("inv_bias")
      let layer = InverseSparseConvolution(weight: weight, bias: bias)
      let features = try file.leaf("inv_features")
      let coarse = sites.strided(kernelSize: layer.kernelSize).sites
      let output = layer(SparseTensor(sites: coarse, features: features), onto: sites).features
      expectNear(output.value, try file.floats("inv_output"), "output")
      output.backward(from: try file.floats("inv_grad_output"))
      expectNear(features.gradient, try file.floats("inv_grad_features"), "gradient of features")
      expectNear(weight.gradient, try file.floats("inv_grad_weight"), "gradient of weight")
      if let bias { expectNear(bias.gradient, try file.floats("inv_grad_bias"), "bias") }
    }
  }

  /// Points to voxels and back.
  @Suite struct Voxelizations {
    static let cases = SparseFixture.all("voxelize_")

    @Test func filesHoldCases() { #expect(!Self.cases.isEmpty) }

    @Test(arguments: cases) func voxels(item: SparseFixture) throws {
      let file = try item.open()
      let size = try #require(try item.metadata("voxel_size")?.doubleValue)
      let points = try file.floats("points")
      let voxels = try Voxelization(points, voxelSize: Float(size))
      let expected = try file.ids("coords").elements
      let cells = voxels.coordinates.elements
      #expect((0..<voxels.count).allSatisfy { cells[4 * $0] == 0 })
      #expect((0..<voxels.count).flatMap { cells[4 * $0 + 1..<4 * $0 + 4] } == expected)
      #expect(voxels.pointToVoxel == (try file.ids("point_to_voxel")))
      #expect(voxels.counts == (try file.ids("counts")))
      #expect(voxels.firstPoints == (try file.ids("first_point")))
      let features = Variable(try file.floats("features"))
      expectNear(voxels.mean(of: features).value, try file.floats("mean_features"), "mean")
      expectNear(voxels.maximum(of: features).value, try file.floats("max_features"), "maximum")
      let centroids = voxels.mean(of: Variable(points)).value
      expectNear(centroids, try file.floats("centroids"), "centroids")
      let logits = try file.leaf("voxel_logits")
      let gathered = voxels.gather(logits)
      #expect(gathered.value == (try file.floats("point_logits")))
      gathered.backward(from: try file.floats("grad_point_logits"))
      expectNear(logits.gradient, try file.floats("grad_voxel_logits"), "gradient of logits")
    }
  }
}
