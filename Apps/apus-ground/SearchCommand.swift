import ArgumentParser
import GUIGrounding
import Support

/// `search`: one picture, every stage.
struct SearchCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "search",
    abstract: "Answer one instruction and show every stage of the search.",
    discussion: """
      The same search as 'ground', with what every stage saw, how its responses voted, and what they \
      said. With --json the whole search, which is enough to audit and to draw it.

      EXAMPLES
        apus-ground search page.png "click the red ring" --model run --target 20,30,40,50
        apus-ground search shot.png "click Save" --endpoint http://127.0.0.1:8000/v1 --model m --json
      """
  )

  @OptionGroup var one: OneImageArguments
  @Flag(help: "Leave out what responses say.")
  var noTexts = false
  @OptionGroup(title: "Machine") var machine: ThreadArguments
  @OptionGroup(title: "Output") var display: OutputArguments

  func run() async throws {
    machine.apply()
    let (result, picture) = try await one.answer()
    let stream = StandardStream.output
    if display.json { return try stream.writeLine(jsonText(result)) }
    try stream.writeLine(stageTable(result).text(width: stream.columnCount))
    if !noTexts {
      for (index, stage) in result.stages.enumerated() {
        try stream.writeLine("\nstage \(index + 1)")
        try stream.writeLine(voteTable(stage, index).text(width: stream.columnCount))
      }
    }
    try stream.writeLine("\n" + summary(result, picture))
  }

  private func stageTable(_ result: SearchResult) -> Table {
    var table = Table([
      .number("stage"), "region", "shown as", .number("votes"), .number("unread"),
      .number("outside"), .number("h"), .number("agree"), .number("x"), .number("y"),
      .number("tokens"), .number("time"), "target",
    ])
    for (index, stage) in result.stages.enumerated() {
      let region = stage.region
      table.add(
        "\(index + 1)",
        "\(region.size) at \(region.x),\(region.y)",
        "\(stage.view)",
        "\(stage.votes.count)",
        "\(stage.unparsedCount)",
        "\(stage.outsideCount)",
        stage.bandwidth.fixed(1),
        (100 * stage.consensus).fixed(0) + " %",
        stage.point?.x.fixed(1) ?? "—",
        stage.point?.y.fixed(1) ?? "—",
        stage.cost.tokens.grouped,
        durationText(stage.cost.seconds),
        verdict(stage)
      )
    }
    return table
  }

  /// Whether a stage showed the target and hit it.
  private func verdict(_ stage: SearchStage) -> String {
    guard let target = one.target else { return "" }
    if stage.point.map(target.contains) ?? false { return "hit" }
    return GroundingBox(stage.region).contains(target.center) ? "miss" : "not shown"
  }

  private func voteTable(_ stage: SearchStage, _ index: Int) -> Table {
    var table = Table([
      .number("response"), .number("x"), .number("y"), .number("weight"), .number("density"),
      "text",
    ])
    for (number, sample) in stage.samples.enumerated() {
      let vote = stage.votes.first { $0.sample == number && $0.stage == index }
      table.add(
        "\(number + 1)",
        vote?.point.x.fixed(1) ?? "—",
        vote?.point.y.fixed(1) ?? "—",
        vote?.weight.fixed(3) ?? "—",
        vote?.density.short ?? "—",
        sample.text
      )
    }
    return table
  }

  private func summary(_ result: SearchResult, _ picture: String?) -> String {
    let cost = result.cost
    var text = result.point.map { "answer \($0.x.fixed(1)) \($0.y.fixed(1))" } ?? "no answer"
    text += " after \(cost.calls.counted("response")) in \(cost.requests.counted("request")), "
    text += "\(cost.tokens.counted("token")), \(durationText(cost.seconds))"
    if result.stoppedEarly { text += ", stopped early because the votes agree" }
    return text + (picture.map { "\npicture: \($0)" } ?? "")
  }
}
