import Tensor
import Testing

@Suite struct CopyOnWriteTests {
  @Test func aUniqueTensorIsWrittenInPlace() {
    var tensor = Tensor<Float>([1, 2, 3])
    let before = tensor.address
    tensor.withUnsafeMutableElements { $0[1] = 9 }
    tensor += Tensor([1, 1, 1])
    #expect(tensor.address == before)
    #expect(tensor.elements == [2, 10, 4])
  }

  @Test func aSharedTensorIsCopiedBeforeTheFirstWriteOnly() {
    var tensor = Tensor<Float>([1, 2, 3])
    let copy = tensor
    #expect(copy.address == tensor.address)
    tensor.withUnsafeMutableElements { $0[0] = 9 }
    let after = tensor.address
    #expect(after != copy.address)
    #expect(copy.elements == [1, 2, 3])
    tensor.withUnsafeMutableElements { $0[2] = 7 }
    #expect(tensor.address == after)
    #expect(tensor.elements == [9, 2, 7])
  }

  @Test func aTensorThatIsUniqueAgainIsWrittenInPlace() {
    var tensor = Tensor<Float>([1, 2, 3])
    let before = tensor.address
    do {
      let copy = tensor
      #expect(copy.address == before)
    }
    tensor.withUnsafeMutableElements { $0[0] = 5 }
    #expect(tensor.address == before)
  }

  @Test func addingATensorToItselfDoublesIt() {
    var tensor = Tensor<Float>([1, 2, 3])
    tensor += tensor
    #expect(tensor.elements == [2, 4, 6])
  }

  @Test func writingASliceLeavesTheWholeAlone() {
    let whole = Tensor<Float>([1, 2, 3, 4, 5, 6], shape: [3, 2])
    var slice = whole[1..<3]
    slice.withUnsafeMutableElements { $0[0] = 30 }
    #expect(whole.elements == [1, 2, 3, 4, 5, 6])
    #expect(slice.elements == [30, 4, 5, 6])
  }

  @Test func writingTheWholeLeavesASliceAlone() {
    var whole = Tensor<Float>([1, 2, 3, 4], shape: [2, 2])
    let row = whole[1]
    whole.withUnsafeMutableElements { $0[3] = 40 }
    #expect(row.elements == [3, 4])
    #expect(whole.elements == [1, 2, 3, 40])
  }

  @Test func aLoneSliceIsWrittenAtItsOffset() {
    var slice = Tensor<Float>([1, 2, 3, 4], shape: [2, 2])[1]
    slice.withUnsafeMutableElements { $0[0] = 30 }
    #expect(slice.elements == [30, 4])
  }

  @Test func foreignMemoryIsNeverWritten() {
    let memory = ForeignMemory([1, 2, 3, 4])
    var tensor = memory.tensor(shape: [2, 2])
    #expect(tensor.address == UnsafePointer(memory.start))
    tensor.withUnsafeMutableElements { $0[0] = 9 }
    #expect(tensor.elements == [9, 2, 3, 4])
    #expect(memory.values == [1, 2, 3, 4])
    var row = memory.tensor(shape: [2, 2])[1]
    row += row
    #expect(row.elements == [6, 8])
    #expect(memory.values == [1, 2, 3, 4])
  }

  @Test func foreignMemoryLivesAsLongAsASliceOfIt() {
    weak var observed: ForeignMemory?
    var slice: Tensor<Float>?
    do {
      let memory = ForeignMemory([1, 2, 3, 4])
      observed = memory
      slice = memory.tensor(shape: [2, 2])[1]
    }
    #expect(observed != nil)
    #expect(slice?.elements == [3, 4])
    slice = nil
    #expect(observed == nil)
  }

  @Test func aThrowingInitializerLetsItsErrorThrough() {
    struct Stopped: Error {}
    #expect(throws: Stopped.self) {
      _ = try Tensor<Float>(uninitialized: [4]) { _ throws(Stopped) in throw Stopped() }
    }
  }
}

extension Tensor {
  fileprivate var address: UnsafePointer<Element>? { withUnsafeElements { $0.baseAddress } }
}

/// Memory that a tensor may look at and must not touch, like a mapped file.
private final class ForeignMemory: @unchecked Sendable {
  let start: UnsafeMutablePointer<Float>
  let count: Int

  init(_ values: [Float]) {
    count = values.count
    start = .allocate(capacity: values.count)
    start.initialize(from: values, count: values.count)
  }

  deinit { start.deallocate() }

  var values: [Float] { Array(UnsafeBufferPointer(start: start, count: count)) }

  func tensor(shape: Shape) -> Tensor<Float> { Tensor(viewing: start, shape: shape, owner: self) }
}
