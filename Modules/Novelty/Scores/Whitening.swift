import LinearAlgebra
import Tensor

/// How far rows are from those of normals, in units of their spread along each direction.
///
///     X − μ = U·diag(S)·Vᵀ        score(d) = ‖(d − μ) V S⁻¹‖²        only S_i > 1e-5 · S_1
///
/// Without any spread (all normals alike) every row scores 0.
///
/// - Shapes: rows of normals [N × W], V S⁻¹ [W × k].
/// - Source: Kim et al., "RaPP: Novelty Detection with Reconstruction along Projection Pathway",
///   ICLR 2020, normalized aggregation along pathway (NAP).
struct Whitening {
  let mean: Tensor<Float>
  /// V S⁻¹ [W × k].
  let projection: Tensor<Float>

  init(mean: Tensor<Float>, projection: Tensor<Float>) {
    self.mean = mean
    self.projection = projection
  }

  init(of rows: Tensor<Float>) throws(NoveltyError) {
    let (count, width) = (rows.shape[0], rows.shape[1])
    let wide = rows.converted(to: Double.self)
    let mean = wide.mean(axes: 0)
    let centred = wide - mean
    let svd = try factoring { () throws(LinearAlgebraError) in
      // The triangle has the same S and V, and is small.
      let matrix = count > 2 * width ? try centred.qrDecomposition().r : centred
      return try matrix.singularValueDecomposition()
    }
    let values = svd.singularValues.elements
    let kept = values.count { $0 > 1e-5 * (values.first ?? 0) }
    self.mean = mean.converted(to: Float.self)
    projection = svd.rightTransposed.withUnsafeElements { directions in
      Tensor<Float>(uninitialized: [width, kept]) { target in
        for column in 0..<kept {
          for row in 0..<width {
            target[row * kept + column] = Float(directions[column * width + row] / values[column])
          }
        }
      }
    }
  }

  /// The score of each row [N × W].
  func scores(of rows: Tensor<Float>) -> [Float] {
    guard projection.count > 0 else { return [Float](repeating: 0, count: rows.shape[0]) }
    return (rows - mean).matmul(projection).rowSquaredNorms()
  }
}

extension Whitening {
  /// The parts of a file.
  var state: DetectorState {
    var state = DetectorState()
    state.tensors = ["mean": mean, "projection": projection]
    return state
  }

  init(_ state: DetectorState, width: Int) throws(NoveltyError) {
    mean = try state.tensor("mean", shape: [width])
    projection = try state.tensor("projection", rank: 2)
    guard projection.shape[0] == width else {
      throw .content(path: state.path, reason: "projection \(projection.shape), width \(width)")
    }
  }
}
