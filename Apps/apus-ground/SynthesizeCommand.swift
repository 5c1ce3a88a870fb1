import ArgumentParser
import Checkpoints
import Foundation
import GUIGrounding
import Support

/// `synth`: synthetic pages on the disk.
struct SynthesizeCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "synth",
    abstract: "Write synthetic pages: coloured shapes, one of which an instruction names.",
    discussion: """
      The output is a folder in the native layout: elements.jsonl and images/. Training and \
      evaluation draw the same pages in memory; files are for looking, and for other programs.

      EXAMPLES
        apus-ground synth --pages 20 --output pages
        apus-ground eval --data pages --model run --methods greedy
      """
  )

  @Option(help: "The number of pages.")
  var pages = 100
  @Option(help: "The number of the first page.")
  var first = 0
  @Option(help: "The seed of the pages.")
  var pageSeed: UInt64 = 1
  @Option(help: "The sides of a page in pixels.")
  var pageSide = 192
  @Option(help: "The part of the data that rows say they belong to.")
  var split = "test"
  @Option(name: .shortAndLong, help: ArgumentHelp("The folder to write.", valueName: "folder"))
  var output: String
  @OptionGroup(title: "Output") var display: OutputArguments

  func validate() throws {
    guard (1...1 << 24).contains(pages), (0...1 << 30).contains(first) else {
      throw ValidationError("--pages must be above 0, --first 0 or more")
    }
    guard (64...8192).contains(pageSide) else {
      throw ValidationError("--page-side must be 64 to 8192")
    }
  }

  func run() throws {
    try claimFolder(output, holding: "elements.jsonl", after: ["images"])
    try makeOutputFolder(output + "/images")
    var options = SyntheticPageOptions()
    options.side = pageSide
    let reporter = display.progress("drawing", unit: "pages")
    defer { reporter.clear() }
    var text = ""
    for index in first..<first + pages {
      try Cancellation.check("elements.jsonl was not written")
      let page = SyntheticPage(index: index, seed: pageSeed, options: options)
      var item = page.item(index)
      item.split = split
      try page.image.write(to: output + "/" + item.imagePath)
      text += JSONValue.object(item.row).serialized() + "\n"
      reporter.update(completed: index - first + 1, total: pages)
    }
    try AtomicFile.write(text, to: output + "/elements.jsonl")
    reporter.clear()
    let written = SynthesisDocument(pages: pages, folder: output)
    try StandardStream.output.writeLine(
      display.json ? jsonText(written) : "\(pages.counted("page")) in \(output)"
    )
  }
}

private struct SynthesisDocument: Encodable {
  var pages: Int
  var folder: String
}

extension GroundingItem {
  /// The item as a row of the native layout.
  fileprivate var row: JSONObject {
    var row: JSONObject = ["id": .string(id), "image": .string(imagePath)]
    if let imageSize {
      row["image_size"] = .array([
        .integer(Int64(imageSize.width)), .integer(Int64(imageSize.height)),
      ])
    }
    row["instruction"] = .string(instruction)
    if let box = target.boundingBox {
      row["bbox"] = .array([box.x0, box.y0, box.x1, box.y1].map { .number($0) })
    }
    for (key, value) in [
      ("kind", kind), ("name", name), ("source", source), ("split", split),
    ] {
      if let value { row[key] = .string(value) }
    }
    return row
  }
}
