import CKernels
import Dispatch
import Foundation
import Testing

/// How often each part of a job ran; parts add under a lock, because their order is free.
private final class PartCounts: @unchecked Sendable {
  private let lock = NSLock()
  private var counts: [Int]
  let nestedParts: Int

  init(_ parts: Int, nestedParts: Int = 0) {
    counts = [Int](repeating: 0, count: parts)
    self.nestedParts = nestedParts
  }

  func add(_ part: Int) { lock.withLock { counts[part] += 1 } }

  var all: [Int] { lock.withLock { counts } }

  func run(_ parts: Int) {
    ck_parallel(
      parts,
      { context, part in
        guard let context else { return }
        Unmanaged<PartCounts>.fromOpaque(context).takeUnretainedValue().add(part)
      },
      Unmanaged.passUnretained(self).toOpaque()
    )
  }

  func runNested(_ parts: Int) {
    ck_parallel(
      parts,
      { context, _ in
        guard let context else { return }
        let counts = Unmanaged<PartCounts>.fromOpaque(context).takeUnretainedValue()
        counts.run(counts.nestedParts)
      },
      Unmanaged.passUnretained(self).toOpaque()
    )
  }
}

/// Serialized, because the thread count is the process's.
@Suite(.serialized) struct PoolTests {
  private func restoringThreads(_ body: () -> Void) {
    let count = ck_thread_count()
    body()
    ck_set_thread_count(count)
  }

  @Test(arguments: [1, 2, 3, 8])
  func everyPartRunsOnce(threads: Int) {
    restoringThreads {
      ck_set_thread_count(Int32(threads))
      #expect(ck_thread_count() == Int32(threads))
      for parts in [0, 1, 2, 3, 17, 1000] {
        let counts = PartCounts(parts)
        counts.run(parts)
        #expect(counts.all.allSatisfy { $0 == 1 })
      }
    }
  }

  @Test func countsBelowOneMeanOne() {
    restoringThreads {
      ck_set_thread_count(-3)
      #expect(ck_thread_count() == 1)
    }
  }

  @Test func threadsComeAndGoBetweenJobs() {
    restoringThreads {
      for round in 0..<200 {
        ck_set_thread_count(Int32(1 + round % 4))
        let counts = PartCounts(50)
        counts.run(50)
        #expect(counts.all == [Int](repeating: 1, count: 50))
      }
    }
  }

  /// Jobs shorter than a worker takes to enter them: what all parts wrote is there when a job ends.
  @Test func shortJobsFollowEachOther() {
    restoringThreads {
      let cells = UnsafeMutablePointer<Int>.allocate(capacity: 9)
      defer { cells.deallocate() }
      cells.initialize(repeating: 0, count: 9)
      var expected = [Int](repeating: 0, count: 9)
      for round in 0..<60_000 {
        ck_set_thread_count(Int32(2 + round / 20_000))
        let parts = 2 + round % 8
        ck_parallel(
          parts,
          { context, part in
            context?.assumingMemoryBound(to: Int.self)[part] += part + 1
          },
          cells
        )
        for part in 0..<parts { expected[part] += part + 1 }
        guard (0..<9).allSatisfy({ cells[$0] == expected[$0] }) else {
          Issue.record("job \(round) ended before its parts")
          return
        }
      }
    }
  }

  @Test func nestedJobsRunSerially() {
    restoringThreads {
      ck_set_thread_count(4)
      let counts = PartCounts(7, nestedParts: 7)
      counts.runNested(20)
      #expect(counts.all == [Int](repeating: 20, count: 7))
    }
  }

  @Test func concurrentCallersAllFinish() {
    restoringThreads {
      ck_set_thread_count(3)
      let counts = PartCounts(64)
      DispatchQueue.concurrentPerform(iterations: 40) { _ in counts.run(64) }
      #expect(counts.all == [Int](repeating: 40, count: 64))
    }
  }

  @Test func productsDoNotDependOnTheThreadCount() {
    var samples = KernelSamples(seed: 25)
    let (m, n, k) = (150, 330, 700)
    let a = samples.floats(m * k)
    let b = samples.floats(n * k)
    func product(_ threads: Int32) -> [Float] {
      ck_set_thread_count(threads)
      var c = [Float](repeating: 0, count: m * n)
      ck_sgemm(false, true, m, n, k, a, k, b, k, 0, &c, n)
      return c
    }
    restoringThreads {
      let alone = product(1)
      for threads: Int32 in [2, 3, 5] { #expect(product(threads) == alone) }
    }
  }

  @Test func linearDoesNotDependOnTheThreadCount() {
    var samples = KernelSamples(seed: 26)
    for storage in [CK_FLOAT32, CK_FLOAT16, CK_BFLOAT16, CK_PACKED] {
      var sample = WeightRowSample(storage, 1500, 300)
      sample.fill(&samples)
      for m in [1, 3, 20] {
        let x = samples.floats(m * 300)
        func outputs(_ threads: Int32) -> [Float] {
          ck_set_thread_count(threads)
          var y = [Float](repeating: 0, count: m * 1500)
          sample.withRows { rows in
            withUnsafePointer(to: rows) { ck_linear($0, m, x, 300, nil, &y, 1500) }
          }
          return y
        }
        restoringThreads {
          let alone = outputs(1)
          #expect(outputs(2) == alone)
          #expect(outputs(3) == alone)
        }
      }
    }
  }

  @Test func attentionDoesNotDependOnTheThreadCount() {
    let samples = [
      AttentionSample(queries: 1, position: 1500, heads: 9, keyHeads: 3, width: 64),
      AttentionSample(queries: 200, position: 40, heads: 4, keyHeads: 2, width: 32),
    ]
    for sample in samples {
      restoringThreads {
        ck_set_thread_count(1)
        let alone = sample.run(seed: 27).found
        ck_set_thread_count(3)
        #expect(sample.run(seed: 27).found == alone)
      }
    }
  }
}
