import ArgumentParser
import Autograd
import Checkpoints
import Foundation
import ModelSupport
import Quantization
import Support
import Tensor

/// `compare`: several methods on one calibration set, in one table.
struct CompareCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "compare",
    abstract: "Quantize a model by several methods and schemes, and compare what each costs.",
    discussion: """
      Every method learns from the same pieces of the calibration text; with several seeds each seed \
      draws its own pieces, and the table shows means and standard deviations. The state error is that \
      behind the last block on these pieces; rtn needs no text, and has none without it. Everything that is \
      finished is kept in the output folder: a comparison that was stopped goes on when the same \
      command is given again.

      The AdaDim methods choose between groups of inputs and of outputs themselves: of W3G64 and \
      W3IC64 they take the one that comes first, the other would give the same model.

      EXAMPLES
        apus-quantize compare SmolLM2-135M --output compared --calibration train.txt \\
            --evaluate wiki.txt --methods rtn,gptq,flexround,lrq --schemes W4,W3G64 --seeds 3
        apus-quantize compare SmolLM2-135M --output dimensions --calibration train.txt \\
            --evaluate wiki.txt --methods rtn,gptq,adadim-rtn,adadim-gptq --schemes W3G64,W3IC64
      """
  )

  @Argument(help: "A model folder or a .gguf file in full precision.")
  var model: String

  @Option(name: .shortAndLong, help: ArgumentHelp("Where the results go.", valueName: "folder"))
  var output: String

  @Option(help: ArgumentHelp("The methods, with commas between.", valueName: "names"))
  var methods = "rtn,gptq,flexround,lrq"

  @Option(
    help: ArgumentHelp("The schemes, as --scheme of 'run' has them.", valueName: "names")
  )
  var schemes = "W4"

  @Option(help: ArgumentHelp("How many seeds.", valueName: "count"))
  var seeds = 1

  @Option(help: "A group's range, for all methods. (default: as 'run' has it)")
  var range: RangeEstimation?

  @OptionGroup(title: "Calibration")
  var calibration: CalibrationArguments

  @Option(help: ArgumentHelp("The text that perplexity is measured on.", valueName: "file"))
  var evaluate: String

  @OptionGroup(title: "Perplexity")
  var evaluation: EvaluationArguments

  @Flag(help: "Keep the quantized models.")
  var keepModels = false

  @OptionGroup(title: "Machine")
  var machine: ThreadArguments

  @OptionGroup(title: "Output")
  var style: OutputArguments

  func validate() throws {
    guard 1...1000 ~= seeds else {
      throw ValidationError("--seeds \(seeds); choose 1 to 1000")
    }
    guard calibration.seed <= .max - UInt64(seeds) else {
      throw ValidationError("--seed \(calibration.seed) leaves no room for \(seeds) seeds")
    }
    if calibration.work != nil || calibration.keepWork {
      throw ValidationError(
        "--work and --keep-work belong to 'run'; finished blocks are kept in --output here"
      )
    }
    let methods = Set(try plan().map(\.method))
    try calibration.refuseOptions(withoutMeaningFor: methods)
  }

  func run() throws {
    machine.apply()
    let source = try ModelFile(path: model)
    try source.checkFullPrecision()
    try source.checkFinite()
    let text = try TextFile(path: evaluate, characters: evaluation.characters)
    let options = try source.perplexityOptions(evaluation)
    let plan = try plan()
    // What is typed wrongly shows before hours of work.
    if try !plan.allSatisfy({ try isDirect($0) }) {
      _ = try calibration.samples(for: source, seed: calibration.seed) { note in
        try StandardStream.error.writeLine("note: \(note)")
      }
    }
    let texts = try Self.checksum(text.text) + ", " + learnedText() + ", model " + source.digest()
    let reference = try EvaluationReference(source, text: text, arguments: evaluation)
    var results: [ComparedResult] = []
    for (number, compared) in plan.enumerated() {
      try Cancellation.check("finished models are in \(output); the same command goes on there")
      if !style.quiet {
        try StandardStream.error.writeLine("\(compared.name) (\(number + 1) of \(plan.count))")
      }
      let identity = try identity(of: compared, texts: texts, options: "\(options)")
      let folder = output + "/" + compared.name
      if let result = ComparedResult.read(folder, identity: identity) {
        // A process that was killed behind the result left them.
        try? FileManager.default.removeItem(atPath: work(in: folder))
        results.append(result)
        continue
      }
      results.append(try result(of: compared, reference, identity: identity, folder: folder))
    }
    let comparison = Comparison(model: model, text: evaluate, results: results)
    try AtomicFile.write(try jsonText(comparison) + "\n", to: output + "/comparison.json")
    var page = ReportPage(title: "\(model), quantized")
    page.add(table: comparison.table.columns.map(\.title), rows: comparison.table.rows)
    try AtomicFile.write(page.html(), to: output + "/comparison.html")
    let stream = StandardStream.output
    try stream.writeLine(
      style.json ? jsonText(comparison) : comparison.table.text(width: stream.columnCount)
    )
  }

  /// The models, scheme by scheme.
  private func plan() throws -> [ComparedModel] {
    func names(_ text: String) -> [String] {
      var names: [String] = []
      for part in text.split(separator: ",") {
        let name = part.trimmingCharacters(in: .whitespaces)
        if !names.contains(where: { $0.lowercased() == name.lowercased() }) { names.append(name) }
      }
      return names
    }
    // Binary codes have planes, which no name of a scheme says.
    let known = QuantizationConfiguration.Method.allCases.filter { $0 != .binaryCoding }
    let methods = try names(methods).map { name in
      guard let method = known.first(where: { $0.rawValue == name }) else {
        throw ValidationError(
          "--methods: '\(name)' is none of \(known.map(\.rawValue).joined(separator: ", "))"
        )
      }
      return method
    }
    let schemes = try names(schemes).map { name in
      do { return try NamedScheme(name) } catch let error as QuantizationError {
        throw ValidationError("--schemes: \(error)")
      }
    }
    guard !methods.isEmpty, !schemes.isEmpty else {
      throw ValidationError("--methods or --schemes is empty; name at least one")
    }
    var chosen: Set<String> = []
    return try schemes.flatMap { scheme in
      try methods.flatMap { method -> [ComparedModel] in
        do { try method.check(scheme.weights) } catch {
          throw ValidationError("--schemes: \(scheme.name) with \(method.rawValue): \(error)")
        }
        if [.adaDimNearest, .adaDimGPTQ].contains(method) {
          // The dimension that the name has is not asked for.
          let choice = method.rawValue + scheme.name.replacing("IC", with: "G")
          guard chosen.insert(choice).inserted else { return [] }
        }
        // Without activations round-to-nearest looks at no samples.
        let count = method == .roundToNearest && scheme.activations == nil ? 1 : seeds
        return (0..<count).map { seed in
          ComparedModel(scheme: scheme, method: method, seed: calibration.seed + UInt64(seed))
        }
      }
    }
  }

  private func arguments(of compared: ComparedModel) throws -> QuantizationArguments {
    var words = ["--scheme", compared.scheme.name, "--method", compared.method.rawValue]
    if let range { words += ["--range", range.rawValue] }
    return try QuantizationArguments.parse(words)
  }

  private func isDirect(_ compared: ComparedModel) throws -> Bool {
    BlockQuantization.isDirect(
      try arguments(of: compared).configuration(compared.method),
      calibration
    )
  }

  private static func checksum(_ text: String) -> String {
    var text = text
    let sum = text.withUTF8 { XXHash64.hash(UnsafeRawBufferPointer($0)) }
    return String(sum, radix: 16)
  }

  /// What the calibration text holds, as a checksum.
  private func learnedText() throws -> String {
    try calibration.calibration.map { Self.checksum(try TextFile(path: $0).text) } ?? "none"
  }

  /// What a result holds for: a file of another content under the same name makes another one.
  private func identity(
    of compared: ComparedModel,
    texts: String,
    options: String
  ) throws -> String {
    let configuration = try arguments(of: compared).configuration(compared.method)
    let length = calibration.sampleLength ?? calibration.effort.samples.length
    let count = calibration.samples ?? calibration.effort.samples.count
    return try [
      jsonText(configuration), jsonText(calibration.method(compared.method)),
      "seed \(compared.seed), \(count) × \(length) of \(calibration.calibration ?? "")",
      "\(calibration.prefix.rawValue), \(calibration.lastBlock.rawValue)",
      "\(model), \(evaluate), checksums \(texts)", options,
    ].joined(separator: "\n")
  }

  private func result(
    of compared: ComparedModel,
    _ reference: EvaluationReference,
    identity: String,
    folder: String
  ) throws -> ComparedResult {
    let (source, start) = (reference.file, secondsOfUptime())
    let quantization = try BlockQuantization(
      source,
      arguments(of: compared),
      compared.method,
      calibration,
      seed: compared.seed,
      folder: work(in: folder)
    )
    // With a calibration text round-to-nearest goes through the blocks as well, though its codes need no
    // samples: the error of the last states is what the other methods' errors are read against. That is
    // two passes over the samples, fewer tokens than perplexity reads as a rule.
    let blocks =
      try isDirect(compared)
      ? nil
      : quantization.run(
        samples: calibration.samples(for: source, seed: compared.seed),
        output: style
      )
    let target = try OutputFolder(path: folder + "/model", replaces: true, source: source.path)
    let report = try source.quantize(
      quantization.configuration,
      blocks: blocks,
      to: target,
      progress: { _ in true }
    )
    let total = report.layers.reduce(0) { $0 + $1.relativeError }
    var result = ComparedResult(
      scheme: compared.scheme.name,
      method: compared.method.rawValue,
      seed: compared.seed,
      identity: identity,
      bitsPerWeight: report.bitsPerWeight,
      bitsPerQuantizedWeight: report.bitsPerQuantizedWeight,
      bytes: report.byteCount,
      meanRelativeError: total / Double(max(report.layers.count, 1)),
      stateError: blocks?.reports.last?.relativeError,
      seconds: blocks?.reports.reduce(0) { $0 + $1.seconds } ?? 0,
      outputGroupLayers: report.layers.count { layer in
        if case .outputGroups? = layer.scheme.weightScheme?.granularity { true } else { false }
      }
    )
    if result.seconds == 0 { result.seconds = secondsOfUptime() - start }
    let quantized = try ModelFile(path: target.path)
    let evaluations = try Evaluation.all(reference, [quantized], output: style)
    result.referencePerplexity = evaluations.first?.perplexity.value
    result.perplexity = evaluations.last?.perplexity.value
    result.klDivergence = evaluations.last?.klDivergence?.value
    result.topAgreement = evaluations.last?.topAgreement?.value
    result.tokens = evaluations.last?.tokens
    // The model goes first: whatever is killed now, nothing stays beside a result but finished blocks.
    if !keepModels { _ = FolderRemoval.remove(target.path) }
    try result.write(folder)
    try? FileManager.default.removeItem(atPath: work(in: folder))
    return result
  }

  /// Where the finished blocks of a model are kept until its result is there.
  private func work(in folder: String) -> String { folder + "/work" }
}
