import Synchronization
import Tensor
import Testing

/// Tests that set the thread count run in a process of their own, where no other test computes.
@Suite struct WorkPoolTests {
  /// Counts how often each part runs.
  private final class Counts: Sendable {
    private let storage: Mutex<[Int]>
    init(parts: Int) { storage = Mutex([Int](repeating: 0, count: parts)) }
    func add(_ part: Int) { storage.withLock { $0[part] += 1 } }
    var values: [Int] { storage.withLock { $0 } }
  }

  @Test(arguments: [0, 1, 2, 3, 17, 1000])
  func everyPartRunsOnce(parts: Int) {
    let counts = Counts(parts: parts)
    WorkPool.forEach(parts: parts) { counts.add($0) }
    #expect(counts.values == [Int](repeating: 1, count: parts))
  }

  @Test func aNestedJobRunsEveryPartOnce() {
    let counts = Counts(parts: 12 * 7)
    WorkPool.forEach(parts: 12) { outer in
      WorkPool.forEach(parts: 7) { inner in counts.add(outer * 7 + inner) }
    }
    #expect(counts.values.allSatisfy { $0 == 1 })
  }

  @Test func jobsFromSeveralTasksAreAllDone() async {
    await withTaskGroup(of: [Int].self) { group in
      for _ in 0..<6 {
        group.addTask {
          let counts = Counts(parts: 50)
          for _ in 0..<20 { WorkPool.forEach(parts: 50) { counts.add($0) } }
          return counts.values
        }
      }
      for await values in group { #expect(values == [Int](repeating: 20, count: 50)) }
    }
  }

  @Test(arguments: [(0, 4), (1, 4), (4, 4), (5, 4), (17, 4), (3, 100), (5, 0)])
  func rangesPartitionTheWork(count: Int, grain: Int) {
    let ranges = Mutex<[Range<Int>]>([])
    WorkPool.forEachRange(count: count, grain: grain) { range in
      ranges.withLock { $0.append(range) }
    }
    let sorted = ranges.withLock { $0 }.sorted { $0.lowerBound < $1.lowerBound }
    #expect(sorted.flatMap { Array($0) } == Array(0..<count))
    #expect(sorted.dropLast().allSatisfy { $0.count == max(grain, 1) })
  }

  @Test func theThreadCountIsAtLeastOne() async {
    await #expect(processExitsWith: .success) {
      WorkPool.threadCount = 0
      #expect(WorkPool.threadCount == 1)
      WorkPool.threadCount = 3
      #expect(WorkPool.threadCount == 3)
    }
  }

  @Test func oneThreadMeansTheCallersThread() async {
    await #expect(processExitsWith: .success) {
      WorkPool.threadCount = 1
      var order: [Int] = []
      // Not synchronized: correct only if no other thread takes part.
      withUnsafeMutablePointer(to: &order) { pointer in
        WorkPool.forEach(parts: 1000) { pointer.pointee.append($0) }
      }
      #expect(order == Array(0..<1000))
    }
  }

  @Test func theInstructionSetIsAKnownOne() {
    #expect(["avx512", "avx2", "neon", "baseline"].contains(WorkPool.instructionSet))
  }

  /// Part boundaries depend on shapes alone, so every bit is the same for every thread count.
  @Test(.timeLimit(.minutes(10)))
  func resultsDoNotDependOnTheThreadCount() async {
    await #expect(processExitsWith: .success) {
      let operations = ThreadedOperations()
      WorkPool.threadCount = 1
      let expected = operations.results()
      for threads in [2, 3, 4, 7] {
        WorkPool.threadCount = threads
        for _ in 0..<3 {
          for (found, (name, value)) in zip(operations.results(), expected) {
            #expect(found.value == value, "\(name) with \(threads) threads")
          }
        }
      }
    }
  }
}
