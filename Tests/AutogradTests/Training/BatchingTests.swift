import Autograd
import Foundation
import TestSupport
import Tensor
import Testing

@Suite struct BatchingTests {
  private func sampler(
    _ count: Int,
    _ size: Int,
    epochs: Int? = 1,
    dropsRemainder: Bool = false
  ) -> BatchSampler {
    BatchSampler(
      count: count,
      batchSize: size,
      order: .shuffled(seed: 7),
      epochs: epochs,
      dropsRemainder: dropsRemainder
    )
  }

  @Test(arguments: [(1, 1), (1, 5), (3, 2), (17, 4), (100, 10), (257, 64)])
  func anEpochHoldsEveryExampleOnce(count: Int, size: Int) {
    let batches = Array(sampler(count, size))
    #expect(batches.count == (count + size - 1) / size)
    #expect(batches.dropLast().allSatisfy { $0.indices.count == size })
    #expect(batches.flatMap(\.indices).sorted() == Array(0..<count))
    let whole = Array(sampler(count + size, size, dropsRemainder: true))
    #expect(whole.allSatisfy { $0.indices.count == size })
    #expect(whole.count == (count + size) / size)
  }

  @Test func sequentialOrderIsTheOrderOfTheData() {
    let sampler = BatchSampler(count: 5, batchSize: 2, order: .sequential, epochs: 2)
    #expect(sampler.map(\.indices) == [[0, 1], [2, 3], [4], [0, 1], [2, 3], [4]])
    #expect(sampler.map(\.position.epoch) == [0, 0, 0, 1, 1, 1])
    #expect(sampler.map(\.position.batch) == [0, 1, 2, 0, 1, 2])
  }

  /// Durstenfeld's algorithm by hand over the generator's documented numbers.
  @Test func theOrderIsTheOneOfTheEpochsGenerator() {
    var generator = Philox(seed: 7).fork(3)
    var expected = Array(0..<10)
    for last in (1..<10).reversed() {
      expected.swapAt(last, generator.integer(below: last + 1))
    }
    var sampler = sampler(10, 10, epochs: nil)
    sampler.position = BatchPosition(epoch: 3)
    #expect(sampler.next()?.indices == expected)
  }

  @Test func everyExampleIsEquallyLikelyAtEveryPlace() {
    var counts = [Int](repeating: 0, count: 25)
    for batch in sampler(5, 5, epochs: 5_000) {
      for (place, example) in batch.indices.enumerated() { counts[place * 5 + example] += 1 }
    }
    // 1000 expected, standard deviation 28.3: five of them.
    #expect(counts.allSatisfy { abs($0 - 1_000) < 142 }, "\(counts)")
  }

  @Test func epochsAndSeedsDiffer() {
    let batches = Array(sampler(50, 50, epochs: 3)).map(\.indices)
    #expect(Set(batches).count == 3)
    let other = BatchSampler(count: 50, batchSize: 50, order: .shuffled(seed: 8), epochs: 1)
    #expect(Array(other)[0].indices != batches[0])
  }

  @Test(arguments: 0..<12) func aSamplerGoesOnFromAnyPosition(done: Int) throws {
    let all = Array(sampler(17, 5, epochs: 3))
    var first = sampler(17, 5, epochs: 3)
    for _ in 0..<done { _ = first.next() }
    let saved = try JSONEncoder().encode(first.position)
    var second = sampler(17, 5, epochs: 3)
    second.position = try JSONDecoder().decode(BatchPosition.self, from: saved)
    #expect(Array(second) == Array(all.dropFirst(done)))
  }

  @Test func tensorsAreGatheredTogether() {
    let x = Tensor<Float>((0..<12).map(Float.init), shape: [6, 2])
    let y = Tensor<Int32>([0, 10, 20, 30, 40, 50])
    let data = TensorDataset(x, y)
    let (a, b) = data[[4, 0, 4]]
    #expect(a == Tensor([8, 9, 0, 1, 8, 9], shape: [3, 2]))
    #expect(b == Tensor([40, 0, 40]))
    let part = data[2..<4]
    #expect(part.count == 2)
    let last = part[[1]].1
    #expect(last == Tensor([30]))
  }

  @Test func batchesAreExamplesInTheSamplersOrder() {
    let y = Tensor<Int32>([0, 10, 20, 30, 40, 50, 60])
    let data = TensorDataset(y)
    var sampler = BatchSampler(count: 7, batchSize: 3, order: .shuffled(seed: 1), epochs: 2)
    var count = 0
    for batch in data.batches(of: 3, order: .shuffled(seed: 1), epochs: 2) {
      #expect(batch.elements == sampler.next()?.indices.map { Int32($0 * 10) })
      count += 1
    }
    #expect(count == 6)
  }

  @Test func ownDatasetsGiveOwnBatches() {
    struct Words: Dataset {
      let words = ["a", "b", "c"]
      var count: Int { words.count }
      subscript(indices: [Int]) -> String { indices.map { words[$0] }.joined() }
    }
    #expect(Array(Words().batches(of: 2, order: .sequential, epochs: 1)) == ["ab", "c"])
    var batches = Words().batches(of: 2, order: .sequential)
    batches.position = BatchPosition(epoch: 4, batch: 1)
    #expect(batches.next() == "c")
    #expect(batches.position == BatchPosition(epoch: 4, batch: 2))
    #expect(batches.next() == "ab")
    #expect(batches.position == BatchPosition(epoch: 5, batch: 1))
  }
}
