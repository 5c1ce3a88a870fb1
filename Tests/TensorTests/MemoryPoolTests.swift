import Tensor
import Testing

/// Each test runs in a process of its own: the pool's counters are those of the whole process.
@Suite struct MemoryPoolTests {
  private static let mebibyte = 1 << 20

  @Test func countsBytesInUseAndItsPeak() async {
    await #expect(processExitsWith: .success) {
      let start = MemoryPool.statistics
      var tensor: Tensor<Float>? = .zeros([1 << 18])
      withExtendedLifetime(tensor) {
        #expect(MemoryPool.statistics.bytesInUse == start.bytesInUse + 1 << 20)
      }
      tensor = nil
      let end = MemoryPool.statistics
      #expect(end.bytesInUse == start.bytesInUse)
      #expect(end.peakBytesInUse >= start.bytesInUse + 1 << 20)
      #expect(end.bytesWaiting == start.bytesWaiting + 1 << 20)
      MemoryPool.resetPeak()
      #expect(MemoryPool.statistics.peakBytesInUse == end.bytesInUse)
    }
  }

  @Test func reusesAReleasedBufferOfTheSameClass() async {
    await #expect(processExitsWith: .success) {
      func address(_ count: Int) -> UInt {
        Tensor<Float>.zeros([count]).withUnsafeElements { UInt(bitPattern: $0.baseAddress) }
      }
      let first = address(100_000)
      #expect(address(100_000) == first)
      // 99,999 floats fall into the same class.
      #expect(address(99_999) == first)
      #expect(address(200_000) != first)
    }
  }

  @Test func trimGivesWaitingBuffersBack() async {
    await #expect(processExitsWith: .success) {
      for count in [1, 1000, 100_000, 2_000_000] { _ = Tensor<Float>.zeros([count]) }
      #expect(MemoryPool.statistics.bytesWaiting > 8_000_000)
      MemoryPool.trim()
      #expect(MemoryPool.statistics.bytesWaiting == 0)
      #expect(Tensor<Float>.ones([1000]).sum() == 1000)
    }
  }

  @Test func keepsABoundedNumberOfWaitingBytes() async {
    await #expect(processExitsWith: .success) {
      // Nothing touches these pages, so no memory is used up.
      var tensors = (0..<4).map { _ in Tensor<Float>(uninitialized: [1 << 26]) { _ in } }
      withExtendedLifetime(tensors) { #expect(MemoryPool.statistics.bytesInUse >= 1 << 30) }
      tensors.removeAll()
      #expect(MemoryPool.statistics.bytesWaiting <= 512 << 20)
      #expect(MemoryPool.statistics.bytesWaiting >= 256 << 20)
    }
  }

  /// What another model has left must not push the buffers of this one out.
  @Test func givesSizesBackThatNobodyAsksFor() async {
    await #expect(processExitsWith: .success) {
      func release(_ count: Int, _ copies: Int) -> Set<UInt> {
        let tensors = (0..<copies).map { _ in Tensor<Float>(uninitialized: [count]) { _ in } }
        return Set(tensors.map { $0.withUnsafeElements { UInt(bitPattern: $0.baseAddress) } })
      }
      _ = release(1 << 24, 8)  // 512 MiB of one size.
      let first = release(3 << 22, 4)  // 192 MiB of another.
      #expect(release(3 << 22, 4) == first)
      #expect(MemoryPool.statistics.bytesWaiting <= 512 << 20)
    }
  }

  /// More may wait where more is in use: a training step's values beside its weights.
  @Test func keepsAsMuchAsIsInUse() async {
    await #expect(processExitsWith: .success) {
      let weights = Tensor<Float>(uninitialized: [1 << 28]) { _ in }  // 1 GiB, untouched.
      withExtendedLifetime(weights) {
        _ = (0..<3).map { _ in Tensor<Float>(uninitialized: [1 << 26]) { _ in } }
        #expect(MemoryPool.statistics.bytesWaiting == 3 << 28)
      }
    }
  }

  /// Four classes to each power of two: at most a quarter more than asked for.
  ///
  /// Small tensors carry their elements and take nothing.
  @Test func wastesAtMostAQuarter() async {
    await #expect(processExitsWith: .success) {
      for count in [129, 130, 161, 255, 257, 1000, 1025, 4097, 99_999, 524_289] {
        let before = MemoryPool.statistics.bytesInUse
        let tensor = Tensor<Float>(uninitialized: [count]) { _ in }
        let taken = withExtendedLifetime(tensor) { MemoryPool.statistics.bytesInUse - before }
        #expect(taken >= 4 * count)
        #expect(taken - 4 * count <= count, "\(taken) bytes for \(count) floats")
      }
      let before = MemoryPool.statistics.bytesInUse
      let small = Tensor<Float>(uninitialized: [128]) { _ in }
      withExtendedLifetime(small) { #expect(MemoryPool.statistics.bytesInUse == before) }
    }
  }

  @Test(arguments: [1, 100, 100_000, 1 << 19, 1_000_000])
  func buffersAreAligned(count: Int) {
    let tensor = Tensor<Float>(uninitialized: [count]) { _ in }
    let alignment = 4 * count >= 2 * Self.mebibyte ? 2 * Self.mebibyte : 64
    let address = tensor.withUnsafeElements { Int(bitPattern: $0.baseAddress) }
    #expect(address % alignment == 0)
  }

  @Test func tasksShareThePool() async {
    await #expect(processExitsWith: .success) {
      let before = MemoryPool.statistics.bytesInUse
      await withTaskGroup(of: Bool.self) { group in
        for task in 0..<8 {
          group.addTask {
            (1...200).allSatisfy { step in
              let count = 1 + (task * 31 + step * 17) % 5000
              let tensor = Tensor(repeating: Float(task), shape: [count])
              return tensor.elements.allSatisfy { $0 == Float(task) }
            }
          }
        }
        for await isIntact in group { #expect(isIntact) }
      }
      #expect(MemoryPool.statistics.bytesInUse == before)
    }
  }
}
