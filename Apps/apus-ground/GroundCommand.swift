import ArgumentParser
import GUIGrounding
import Support

/// One picture and one instruction.
struct OneImageArguments: ParsableArguments {
  @Argument(help: "The screenshot: PNG or JPEG.")
  var image: String
  @Argument(help: "What to click, in words.")
  var instruction: String
  @OptionGroup(title: "Policy") var policy: PolicyArguments
  @Option(help: "How the answer is found: greedy, sampled, vote, two-calls or full.")
  var method = SearchMethod.full
  @OptionGroup(title: "Search") var search: SearchArguments
  @Option(
    help: ArgumentHelp(
      "The picture that is written. (default: NAME-answer.png in this folder)",
      valueName: "file"
    )
  )
  var picture: String?
  @Flag(help: "Write no picture.")
  var noPicture = false
  @Option(
    help: ArgumentHelp("Where the element is, if that is known: x0,y0,x1,y1.", valueName: "box")
  )
  var target: GroundingBox?

  func validate() throws {
    guard instruction.contains(where: { !$0.isWhitespace }) else {
      throw ValidationError("the instruction is empty")
    }
    guard picture == nil || !noPicture else {
      throw ValidationError("--picture and --no-picture exclude each other")
    }
  }

  /// Runs the search and writes the picture.
  ///
  /// - Returns: the search, and the picture's file.
  func answer() async throws -> (result: SearchResult, picture: String?) {
    let screenshot = try RGBImage(contentsOf: image)
    let size = screenshot.size
    let page = GroundingBox(x0: 0, y0: 0, x1: Double(size.width), y1: Double(size.height))
    if let target, !page.contains(target) {
      throw CommandFailure("--target reaches beyond the picture, which has \(size) pixels")
    }
    let loaded = try policy.load(weighted: self.search.weighting != nil)
    let search = try search.search(method, for: loaded)
    let result = try await search.run(loaded.policy, image: screenshot, instruction: instruction)
    if self.search.weighting != nil, result.lacksProbabilities {
      try StandardStream.error.writeLine("warning: " + SearchArguments.noProbabilities)
    }
    guard !noPicture else { return (result, nil) }
    let path = picture ?? image.fileStem + "-answer.png"
    let drawn = SearchPicture().draw(
      on: screenshot,
      result,
      target: target.map { GroundingTarget(box: $0) }
    )
    try drawn.write(to: path)
    return (result, path)
  }
}

/// What `ground --json` writes.
struct GroundDocument: Encodable {
  var x: Double
  var y: Double
  var imageSize: PixelSize
  var consensus: Double?
  /// Whether the point lies in the target, if that was given.
  var hit: Bool?
  var cost: InferenceCost
  var stages: Int
  var picture: String?
}

/// `ground`: where to click.
struct GroundCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "ground",
    abstract: "Say where to click on a screenshot.",
    discussion: """
      Writes x and y in pixels of the screenshot, and a copy of it with votes (orange: whole picture, \
      blue: crop), the crop, the density of votes and the answer drawn in.

      EXAMPLES
        apus-ground ground shot.png "click Save" --endpoint http://127.0.0.1:8000/v1 \\
          --model Qwen/Qwen2.5-VL-3B-Instruct --family qwen2.5-vl --server vllm
        apus-ground ground page.png "click the red ring" --model run/policy.safetensors --json
        apus-ground ground page.png "click the red ring" --model run --method greedy --no-picture
      """
  )

  @OptionGroup var one: OneImageArguments
  @OptionGroup(title: "Machine") var machine: ThreadArguments
  @OptionGroup(title: "Output") var display: OutputArguments

  func run() async throws {
    machine.apply()
    let (result, picture) = try await one.answer()
    guard let point = result.point else {
      let outside = result.stages.reduce(0) { $0 + $1.outsideCount }
      let calls = result.cost.calls.counted("response")
      throw CommandFailure(
        outside > 0
          ? "no place on the picture: \(outside) of \(calls) point outside it; --space and --order say "
            + "what the numbers mean, and 'calibrate' finds out"
          : "no response named a place (\(calls)); 'search' shows what they said"
      )
    }
    let document = GroundDocument(
      x: point.x,
      y: point.y,
      imageSize: result.imageSize,
      consensus: result.stages.last?.consensus,
      hit: one.target.map { $0.contains(point) },
      cost: result.cost,
      stages: result.stages.count,
      picture: picture
    )
    let text = try display.json ? jsonText(document) : "\(point.x.fixed(1)) \(point.y.fixed(1))"
    try StandardStream.output.writeLine(text)
    if let picture, !display.json, !display.quiet {
      try StandardStream.error.writeLine("picture: \(picture)")
    }
  }
}
