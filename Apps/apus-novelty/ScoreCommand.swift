import ArgumentParser
import Checkpoints
import Foundation
import Novelty
import Support
import Tensor

/// `score`: how novel samples are.
struct ScoreCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "score",
    abstract: "Score samples with a trained detector.",
    discussion: """
      One line a sample: the file, the row in it (from 1; empty for images), the raw score, the \
      p-value (the chance that a normal sample scores as high) and whether it is novel. Folders are \
      searched for PNG and JPEG files; of MNIST's folder the test set is taken.

      EXAMPLES
        apus-novelty score digits.safetensors new/ --resize
        apus-novelty score text.safetensors embeddings.npy --fpr 0.001 --json
        apus-novelty score digits.safetensors a.png b.jpg --percentile 99 --output scores.csv
      """
  )

  @Argument(help: "The file that 'train' has written.")
  var model: String
  @Argument(help: "Files and folders.")
  var inputs: [String]
  @Option(name: .shortAndLong, help: ArgumentHelp("A file for the result.", valueName: "file"))
  var output: String?
  @Flag(help: "Resize images of other sizes than the detector's.")
  var resize = false
  @OptionGroup(title: "Threshold") var threshold: ThresholdArguments
  @OptionGroup(title: "Data") var vectors: VectorArguments
  @OptionGroup(title: "Machine") var machine: ThreadArguments
  @OptionGroup(title: "Output") var display: OutputArguments

  func validate() throws {
    guard !inputs.isEmpty else { throw ValidationError("give files or folders to score") }
  }

  func run() throws {
    machine.apply()
    let detector = try noveltyDetector(contentsOf: model)
    if let rule = threshold.rule { detector.calibration?.rule = rule }
    let scorer = try Scorer(detector, model, vectors, resizes: resize)
    let reporter = display.progress("scoring", unit: "inputs")
    for (index, input) in inputs.enumerated() {
      try scorer.score(input) { note in
        reporter.update(completed: index, total: inputs.count, note: note)
      }
    }
    reporter.clear()
    for line in scorer.skipped {
      try StandardStream.error.writeLine("left out: \(line.printable)")
    }
    let document = scorer.document
    let text = display.json ? try jsonText(document) + "\n" : document.csv
    if let output {
      try AtomicFile.write(text, to: output)
    } else {
      try StandardStream.output.write(text)
    }
    if !display.quiet {
      try StandardStream.error.writeLine(
        "\(document.novelCount) of \(document.samples.count.counted("sample")) novel "
          + "(\(document.rule), threshold \(document.threshold.short))"
      )
    }
  }
}

/// Scores input after input; images in batches, so that folders of any size fit.
final class Scorer {
  private static let batchSize = 256

  private let detector: any NoveltyDetector
  private let sampleShape: [Int]
  private let model: String
  private var reader: SampleReader
  private(set) var document: ScoreDocument
  var skipped: [String] { reader.images.skipped }

  init(
    _ detector: any NoveltyDetector,
    _ model: String,
    _ vectors: VectorArguments,
    resizes: Bool
  ) throws {
    self.detector = detector
    self.model = model
    guard let calibration = detector.calibration, let shape = detector.sampleShape else {
      throw CommandFailure("\(model): the detector has no threshold; train it with 'train'")
    }
    sampleShape = shape
    reader = SampleReader(
      vectors,
      ImageTarget(for: shape, resizes: resizes),
      advice: "give --resize to resize it"
    )
    document = ScoreDocument(
      model: model,
      rule: calibration.rule.text,
      threshold: try calibration.threshold(),
      samples: []
    )
  }

  func score(_ input: String, progress: (String) -> Void) throws {
    let input = SharedData.images(input)
    switch try SampleReader.Kind(input) {
    case .imageFolder: try score(images: ImageFolder.files(in: input), progress)
    case .image: try score(images: [input], progress)
    case .idxFolder, .idx, .csv, .npy, .safetensors:
      try add(reader.read(input, part: .test), progress)
    }
  }

  private func score(images paths: [String], _ progress: (String) -> Void) throws {
    guard sampleShape.count > 1 else {
      throw CommandFailure(
        "\(paths[0]): the detector takes vectors of \(sampleShape[0]) numbers, and no images"
      )
    }
    for start in stride(from: 0, to: paths.count, by: Self.batchSize) {
      let batch = Array(paths[start..<min(start + Self.batchSize, paths.count)])
      progress("\(start) of \(paths.count) images")
      let (pixels, kept) = try reader.images.read(batch)
      guard !kept.isEmpty else { continue }
      let places = kept.map { SamplePlace(file: batch[$0], row: nil) }
      try add(Samples(.bytes(pixels), classes: nil, places: places), progress)
    }
  }

  private func add(_ samples: Samples, _ progress: (String) -> Void) throws {
    guard samples.sampleShape == sampleShape else {
      func text(_ extents: [Int]) -> String { extents.map { "\($0)" }.joined(separator: "×") }
      throw CommandFailure(
        "\(samples.places[0].file): samples of \(text(samples.sampleShape)) numbers, the detector "
          + "takes \(text(sampleShape))"
      )
    }
    for start in stride(from: 0, to: samples.count, by: 4096) {
      try Cancellation.check("nothing was written")
      progress("row \(start + 1) of \(samples.count)")
      let rows = Array(start..<min(start + 4096, samples.count))
      for (row, verdict) in zip(rows, try detector.verdicts(on: samples[rows])) {
        document.samples.append(ScoredSample(samples.places[row], verdict))
      }
    }
  }
}

extension ImageTarget {
  /// What images must become for a detector of samples of a shape.
  init(for shape: [Int], resizes: Bool) {
    let (height, width) = (shape.suffix(2).first ?? 1, shape.last ?? 1)
    let size = shape.count > 1 ? ImageSize(width: width, height: height) : nil
    self.init(size: size, isColour: shape.count == 3, resizes: resizes)
  }
}

/// One line of the result.
struct ScoredSample: Encodable {
  var file: String
  var row: Int?
  var score: Float
  var pValue: Double
  var isNovel: Bool

  init(_ place: SamplePlace, _ verdict: NoveltyVerdict) {
    file = place.file
    row = place.row
    score = verdict.score
    pValue = verdict.pValue
    isNovel = verdict.isNovel
  }
}

/// What `score` found.
struct ScoreDocument: Encodable {
  var model: String
  var rule: String
  var threshold: Float
  var samples: [ScoredSample]

  var novelCount: Int { samples.count { $0.isNovel } }

  var csv: String {
    var text = "file,row,score,p_value,novel\n"
    for sample in samples {
      let row = sample.row.map { "\($0)" } ?? ""
      text += "\(quoted(sample.file)),\(row),\(sample.score),\(sample.pValue),\(sample.isNovel)\n"
    }
    return text
  }

  private func quoted(_ field: String) -> String {
    let isPlain = !field.contains { $0 == "," || $0 == "\"" || $0.isNewline }
    return isPlain ? field : "\"" + field.replacing("\"", with: "\"\"") + "\""
  }
}
