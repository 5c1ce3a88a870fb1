import CKernels

/// A tensor seen as images of channels of planes, [batch × channels × plane].
struct ChannelLayout {
  let batch: Int
  let channels: Int
  let plane: Int

  init(batch: Int, channels: Int, plane: Int) {
    self.batch = batch
    self.channels = channels
    self.plane = plane
  }

  /// The layout of [N × C × …].
  init(_ shape: Shape) {
    self.init(
      batch: shape[0],
      channels: shape[1],
      plane: shape.extents.dropFirst(2).reduce(1, *)
    )
  }

  /// The elements of one channel.
  var channelCount: Int { batch * plane }

  /// Splits the channels between threads and calls `body` with the channels of each part.
  ///
  /// A part is small enough that it stays in cache from one pass to the next; columns go in whole
  /// vectors.
  func forEachPart(_ body: (_ arguments: UnsafePointer<ck_channels>, Range<Int>) -> Void) {
    let few = max(2 * vectorGrain / max(channelCount, 1), 1)
    let grain = plane == 1 ? (few + 15) / 16 * 16 : few
    WorkPool.forEachRange(count: channels, grain: grain) { range in
      var arguments = ck_channels()
      (arguments.batch, arguments.channels, arguments.plane) = (batch, channels, plane)
      (arguments.first, arguments.count) = (range.lowerBound, range.count)
      body(&arguments, range)
    }
  }
}

/// One value for each channel, to be filled by parts.
func channelBuffer(_ count: Int) -> Tensor<Float> {
  Tensor(uninitialized: [count]) { _ in }
}
