import CKernels

extension Tensor where Element == Float {
  /// Rotates the pairs (i, i + d/2) of every head: row t by cosines and sines [T × d/2] of row t.
  ///
  /// - Shapes: self [T × (H·d)].
  package func rotatedHalves(cosines: Tensor, sines: Tensor) -> Tensor {
    let half = cosines.shape[-1]
    let width = lastExtent("rotate halves")
    expect(
      rank == 2 && cosines.shape == [shape[0], half] && sines.shape == cosines.shape
        && width % (2 * half) == 0,
      "rotate halves: the table does not fit, \(shape) · \(cosines.shape)"
    )
    var result = self
    result.withUnsafeMutableElements { target in
      cosines.withUnsafeElements { cosines in
        sines.withUnsafeElements { sines in
          guard let to = target.baseAddress, let c = cosines.baseAddress, let s = sines.baseAddress
          else { return }
          WorkPool.forEachRange(count: shape[0], grain: rowGrain(width: width)) { range in
            for row in range {
              ck_rotate_half(
                width / (2 * half),
                2 * half,
                c + row * half,
                s + row * half,
                to + row * width
              )
            }
          }
        }
      }
    }
    return result
  }

  /// softmax(scale · Q Kᵀ) V for queries at the end of a cached sequence; no T×T buffer.
  ///
  /// Query t stands at `firstPosition` + t and sees the keys up to its own position; with a
  /// `window` only the last `window` of them. `softCap` c replaces a score s by c·tanh(s/c).
  ///
  /// - Shapes: self [T × (H·d)], keys and values [KV × capacity × d], result [T × (H·d)].
  package func attending(
    to keys: Tensor,
    _ values: Tensor,
    firstPosition: Int,
    scale: Float,
    window: Int? = nil,
    softCap: Float? = nil
  ) -> Tensor {
    attending(
      to: .floats(keys),
      .floats(values),
      firstPosition: firstPosition,
      scale: scale,
      window: window,
      softCap: softCap
    )
  }

  /// The same for keys and values as a cache stores them; codes are read as they are.
  package func attending(
    to keys: StoredRows,
    _ values: StoredRows,
    firstPosition: Int,
    scale: Float,
    window: Int? = nil,
    softCap: Float? = nil
  ) -> Tensor {
    let (keyHeads, capacity, width) = (keys.shape[0], keys.shape[1], keys.shape[2])
    expect(
      rank == 2 && shape[1] % width == 0 && (shape[1] / width) % keyHeads == 0
        && values.shape == keys.shape && firstPosition + shape[0] <= capacity,
      "attention: shapes do not fit, \(shape) at \(firstPosition) · \(keys.shape)"
    )
    return Tensor(uninitialized: shape) { target in
      var arguments = ck_attention_arguments()
      arguments.query_count = shape[0]
      arguments.first_position = firstPosition
      arguments.head_count = shape[1] / width
      arguments.key_head_count = keyHeads
      arguments.head_width = width
      arguments.window = window ?? 0
      arguments.scale = scale
      arguments.soft_cap = softCap ?? 0
      arguments.q = UnsafePointer(start)
      arguments.stride_q = shape[1]
      (arguments.k, arguments.k_codes) = keys.kernel
      (arguments.v, arguments.v_codes) = values.kernel
      arguments.stride_key_head = capacity * width
      arguments.out = target.baseAddress
      arguments.stride_out = shape[1]
      ck_attention(&arguments)
      // Pointers into these were used above.
      withExtendedLifetime((self, keys, values)) {}
    }
  }
}
