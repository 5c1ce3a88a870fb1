import Foundation
import Novelty
import Tensor
import TestSupport
import Testing

/// Splits, and benchmarks that go on.
@Suite struct BenchmarkTests {
  private func data() throws -> LabelledSamples {
    let blobs = Blobs(count: 300)
    let order = (0..<300).map { $0 * 101 % 300 }
    return try LabelledSamples(
      inputs: blobs.normals.rows(order.map { Int32($0) }),
      labels: order.map { blobs.labels[$0] },
      officialTrainingCount: 200
    )
  }

  @Test func pooledSplitFollowsItsShares() throws {
    let fold = try NoveltyEvaluation().fold(for: 10, of: data(), seed: 3)
    #expect((fold.training.count, fold.validation.count) == (120, 40))
    #expect(fold.isNovel.count { !$0 } == 40 && fold.isNovel.count { $0 } == 100)
    #expect(Set(fold.training + fold.validation + fold.test).count == 300)
    let labels = try data().labels
    #expect(zip(fold.test, fold.isNovel).allSatisfy { (labels[$0] == 10) == $1 })
    #expect(fold.training.allSatisfy { labels[$0] != 10 })
    #expect(try NoveltyEvaluation().fold(for: 10, of: data(), seed: 4) != fold)
  }

  @Test func limitsKeepProportions() throws {
    let evaluation = NoveltyEvaluation(trainingLimit: 60, testLimit: 70)
    let fold = try evaluation.fold(for: 0, of: data(), seed: 1)
    #expect((fold.training.count, fold.validation.count) == (60, 20))
    #expect(fold.isNovel.count { $0 } == 50 && fold.test.count == 70)
    #expect(throws: NoveltyError.self) {
      try NoveltyEvaluation(testLimit: -1).fold(for: 0, of: data(), seed: 1)
    }
  }

  @Test func oneClassAndOfficialSplits() throws {
    let one = NoveltyEvaluation(setting: .oneClass)
    let fold = try one.fold(for: 20, of: data(), seed: 1)
    #expect(fold.training.count == 60 && fold.isNovel.count { $0 } == 200)
    let official = NoveltyEvaluation(split: .official)
    let plain = try official.fold(for: 20, of: data(), seed: 1)
    #expect(plain.training.allSatisfy { $0 < 200 })
    #expect(plain.test.allSatisfy { $0 >= 200 })
    let unsplit = try LabelledSamples(inputs: .zeros([4, 1]), labels: [0, 0, 1, 1])
    #expect(throws: NoveltyError.self) { try official.fold(for: 0, of: unsplit, seed: 1) }
    #expect(throws: NoveltyError.self) {
      try NoveltyEvaluation().fold(for: 9, of: unsplit, seed: 1)
    }
  }

  @Test func resultsThatAreThereStay() throws {
    let benchmark = NoveltyBenchmark(
      methods: [("near", .nearestNeighbours(.init())), ("OAAE", .oaae(Blobs.settings))],
      classes: [0, 10]
    )
    try withTemporaryFolder { folder in
      let path = folder + "/benchmark"
      var epochs = 0
      let first = try benchmark.run(on: data(), folder: path, fitProgress: { _ in epochs += 1 })
      #expect(first.results.count == 4 && epochs == 12)
      #expect(first.methods == ["near", "OAAE"])
      #expect(try #require(first.meanAUROC(of: "near")["score"]) > 0.95)
      #expect(first.aurocByClass(of: "OAAE", score: "angle").keys.sorted() == [0, 10])
      // A process that was killed behind a result left what it needed to go on.
      try FileManager.default.createDirectory(
        atPath: path + "/OAAE-0-0.checkpoints",
        withIntermediateDirectories: true
      )
      let again = try benchmark.run(on: data(), folder: path, fitProgress: { _ in epochs += 1 })
      #expect(again == first && epochs == 12)
      #expect(!FileManager.default.fileExists(atPath: path + "/OAAE-0-0.checkpoints"))
      var other = benchmark
      other.evaluation.split = .official
      #expect(throws: NoveltyError.self) { try other.run(on: data(), folder: path) }
    }
    var unnamed = benchmark
    unnamed.methods[0].name = "../near"
    #expect(throws: NoveltyError.self) { try unnamed.run(on: data()) }
  }
}
