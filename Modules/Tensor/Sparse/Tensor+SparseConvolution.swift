import CKernels

extension Tensor where Element == Float {
  /// y[out] = Σ x[in] · weight[k] + bias over the pairs of every offset k.
  ///
  /// - Parameters:
  ///   - pairs: which rows meet.
  ///   - weight: a matrix for each offset.
  ///   - bias: what every output row starts from.
  ///   - isTransposed: whether the matrices are taken transposed, as for the gradient of x.
  /// - Returns: a row for every output of the pairs.
  /// - Shapes: self [N × I], weight [K × I × O] ([K × O × I] if transposed), bias [O] or nil, result
  ///   [M × O].
  package func sparselyConvolved(
    over pairs: SparsePairs,
    weight: Tensor,
    bias: Tensor? = nil,
    transposed isTransposed: Bool = false
  ) -> Tensor {
    let (inner, outer) = isTransposed ? (2, 1) : (1, 2)
    expect(
      rank == 2 && weight.rank == 3 && shape[0] == pairs.inputCount
        && weight.shape[0] == pairs.kernelVolume && weight.shape[inner] == shape[1],
      "sparse convolution: \(shape) · \(weight.shape) for \(pairs.inputCount) rows and "
        + "\(pairs.kernelVolume) offsets"
    )
    let width = weight.shape[outer]
    expect(
      bias.map { $0.shape == [width] } ?? true,
      "sparse convolution: the bias does not fit, \(bias?.shape ?? []) · \(weight.shape)"
    )
    defer { withExtendedLifetime((self, weight, bias)) {} }
    return Tensor(uninitialized: [pairs.outputCount, width]) { target in
      guard target.count > 0 else { return }
      pairs.withMap { map in
        var product = ck_sparse_product()
        product.map = map
        (product.input_channels, product.output_channels) = (shape[1], width)
        product.x = UnsafePointer(start)
        product.weight = UnsafePointer(weight.start)
        product.bias = bias.map { UnsafePointer($0.start) }
        product.transpose_weight = isTransposed
        product.y = target.baseAddress
        ck_sparse_convolve(&product)
      }
    }
  }

  /// The gradient of a sparse convolution's weight, Σ x[in]ᵀ · gradient[out] for every offset.
  ///
  /// - Shapes: self [N × I], gradient [M × O], result [K × I × O].
  package func sparseWeightGradient(over pairs: SparsePairs, _ gradient: Tensor) -> Tensor {
    expect(
      rank == 2 && gradient.rank == 2 && shape[0] == pairs.inputCount
        && gradient.shape[0] == pairs.outputCount,
      "sparse convolution: \(shape) · \(gradient.shape) for rows "
        + "\(pairs.inputCount) · \(pairs.outputCount)"
    )
    defer { withExtendedLifetime((self, gradient)) {} }
    let result: Shape = [pairs.kernelVolume, shape[1], gradient.shape[1]]
    return Tensor(uninitialized: result) { target in
      guard target.count > 0 else { return }
      pairs.withMap { map in
        var arguments = ck_sparse_weight_gradient()
        arguments.map = map
        (arguments.input_channels, arguments.output_channels) = (shape[1], gradient.shape[1])
        (arguments.x, arguments.y) = (UnsafePointer(start), UnsafePointer(gradient.start))
        arguments.gradient = target.baseAddress
        ck_sparse_convolve_weight(&arguments)
      }
    }
  }
}
