import ArgumentParser
import Autograd
import Checkpoints
import Foundation
import GUIGrounding
import Support

/// Which items of an evaluation are drawn.
enum DrawnItems: String, ExpressibleByArgument, CaseIterable {
  case all
  case hits
  case misses
}

/// `report`: a page about a run.
struct ReportCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "report",
    abstract: "Draw a training run or an evaluation as one HTML file.",
    discussion: """
      RUN is the folder of 'sft', 'rl', 'consist' or 'eval'. The file has no scripts and no links; \
      pictures are in it. Items of an evaluation show the target (green), the votes on the whole \
      picture (orange) and on the crop (blue), the crop, and the answer (pink cross).

      EXAMPLES
        apus-ground report eval --output eval.html
        apus-ground report eval --items 60 --only misses --method full --output misses.html
        apus-ground report rl --output rl.html
      """
  )

  @Argument(help: ArgumentHelp("A training run or an evaluation.", valueName: "run"))
  var folder: String
  @Option(name: .shortAndLong, help: ArgumentHelp("The file to write.", valueName: "file"))
  var output: String
  @Option(help: "The most items that are drawn.")
  var items = 24
  @Option(help: "Which items are drawn.")
  var only = DrawnItems.all
  @Option(help: "The method whose items are drawn. (default: the costliest)")
  var method: SearchMethod?
  @Option(help: "The longest side of a drawn picture in pixels.")
  var pictureSide = 800

  func validate() throws {
    guard (0...10_000).contains(items) else { throw ValidationError("--items must be 0 or more") }
    guard (32...8192).contains(pictureSide) else {
      throw ValidationError("--picture-side must be 32 to 8192")
    }
  }

  func run() throws {
    var isFolder = ObjCBool(false)
    guard FileManager.default.fileExists(atPath: folder, isDirectory: &isFolder),
      isFolder.boolValue
    else { throw CommandFailure("run \(folder.printable): there is no such folder") }
    let page: ReportPage
    if FileManager.default.fileExists(atPath: folder + "/" + StageFolder.runName) {
      page = try StageFolder(path: folder).page()
    } else {
      page = try evaluationPage()
    }
    try AtomicFile.write(page.html(), to: output)
    try StandardStream.output.writeLine(output)
  }

  private func evaluationPage() throws -> ReportPage {
    let found = SearchMethod.allCases.filter { method in
      let path = folder + "/" + method.rawValue + EvaluationRun.settingsEnding
      return FileManager.default.fileExists(atPath: path)
    }
    guard let last = found.last else {
      throw CommandFailure("run \(folder.printable) is neither a training run nor an evaluation")
    }
    guard method.map(found.contains) ?? true else {
      let names = found.map(\.rawValue).joined(separator: ", ")
      throw CommandFailure("run \(folder.printable) has no method of that name; there are \(names)")
    }
    let lines = try found.map { method in
      try LineJournal<EvaluationLine>.lines(of: folder + "/" + method.rawValue + ".jsonl")
    }
    let chosen = method ?? last
    let settings = try settings(chosen)
    var page = GroundPage(settings, zip(found, lines).map { ($0.rawValue, $1) })
    let drawn = zip(found, lines).first { $0.0 == chosen }?.1 ?? []
    try page.add(selected(drawn), method: chosen.rawValue, longestSide: pictureSide)
    return page.page
  }

  private func selected(_ lines: [EvaluationLine]) -> [EvaluationLine] {
    let fitting = lines.filter { line in
      switch only {
      case .all: true
      case .hits: line.outcome.isHit
      case .misses: !line.outcome.isHit
      }
    }
    return Array(fitting.filter { $0.search != nil }.prefix(items))
  }

  private func settings(_ method: SearchMethod) throws -> EvaluationSettings {
    let path = folder + "/" + method.rawValue + EvaluationRun.settingsEnding
    guard let data = FileManager.default.contents(atPath: path) else {
      throw CommandFailure("cannot read \(path.printable)")
    }
    do { return try JSONDecoder().decode(EvaluationSettings.self, from: data) } catch {
      throw CommandFailure("\(path.printable) is not of 'apus-ground eval'")
    }
  }
}
