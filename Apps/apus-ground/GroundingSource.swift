import ArgumentParser
import Checkpoints
import Foundation
import GUIGrounding
import Support

/// Which instructions on which pictures: what an evaluation's settings say about its data.
struct SourceDescription: Codable, Hashable {
  /// The annotations; nil for synthetic pages.
  var path: String?
  var layout = GroundingLayout.native
  /// Where the pictures are; nil for the folder of the annotations.
  var images: String?
  var split: String?
  var limit: Int?
  /// The seed of synthetic pages.
  var pageSeed: UInt64 = 0
  /// How many synthetic pages.
  var pages = 0
  /// The sides of synthetic pages.
  var pageSide = 192
  /// How far from a point, where a row has no box, a click is right, in pixels.
  var pointRadius: Double?
  /// What the numbers in `conversations` mean; nil for shares of the sides.
  var space: CoordinateSpace?

  /// The data: with `keepsFailures` bad rows are left out and items stay whose picture cannot be read, with
  /// `needsTargets` points without a radius are refused, by which no click can be judged.
  func load(keepsFailures: Bool = false, needsTargets: Bool = false) throws -> GroundingSource {
    guard let path else {
      var options = SyntheticPageOptions()
      options.side = pageSide
      if let flaw = options.flaw { throw CommandFailure("synthetic pages: \(flaw)") }
      return .synthetic(pages, seed: pageSeed, options)
    }
    var options = GroundingDataOptions()
    options.imageFolder = images
    options.images = keepsFailures ? .readableSize : .size
    options.badRows = keepsFailures ? .skip : .fail
    options.pointRadius = pointRadius
    if let space { options.convention = CoordinateConvention(space) }
    let dataset = try GroundingDataset.load(path, layout: layout, options: options)
    var items = split.map { dataset.items(split: $0) } ?? dataset.items
    // A picture that cannot be read is wrong wherever its element is.
    items = items.filter {
      ($0.unit == .pixels || keepsFailures) && $0.target.center != nil
    }
    if needsTargets, !items.isEmpty, !items.contains(where: \.target.isScorable) {
      throw CommandFailure(
        "data \(path.printable) names points without boxes, and no click is right or wrong; say how far "
          + "from the point one is right with --point-radius"
      )
    }
    if let limit { items = Array(items.prefix(limit)) }
    guard !items.isEmpty else {
      let part = split.map { " of the split \($0.printable)" } ?? ""
      throw CommandFailure("data \(path.printable): no items\(part) with a place to click")
    }
    var chosen = dataset
    chosen.items = items
    return .rows(chosen)
  }

  /// The data in words.
  var text: String {
    guard let path else { return "\(pages.counted("synthetic page")), seed \(pageSeed)" }
    return "\(path) (\(layout.rawValue)" + (split.map { ", \($0))" } ?? ")")
  }
}

/// Instructions on pictures.
enum GroundingSource: Sendable {
  case synthetic(Int, seed: UInt64, SyntheticPageOptions)
  case rows(GroundingDataset)

  /// Rows that were left out.
  var skipped: [GroundingRowIssue] {
    if case .rows(let dataset) = self { dataset.skipped } else { [] }
  }

  /// The items in order.
  func items() -> [GroundingItem] {
    switch self {
    case .rows(let dataset): return dataset.items
    case .synthetic(let count, let seed, let options):
      return (0..<count).map { index in
        SyntheticPage(index: index, seed: seed, options: options).item(index)
      }
    }
  }

  /// An item's picture.
  func image(_ item: GroundingItem) throws -> RGBImage {
    switch self {
    case .rows(let dataset): return try dataset.image(item)
    case .synthetic(_, let seed, let options):
      return SyntheticPage(index: item.ordinalOfPage, seed: seed, options: options).image
    }
  }

  /// The items as examples for training.
  func examples() -> GroundingExamples {
    switch self {
    case .rows(let dataset): .rows(of: dataset)
    case .synthetic(let count, let seed, let options):
      .synthetic(count, seed: seed, options: options)
    }
  }

  /// The items as examples for training by hits: points that no click can be judged by are left out,
  /// which is told.
  func judgedExamples() throws -> GroundingExamples {
    guard case .rows(let dataset) = self else { return examples() }
    let others = dataset.items.count { !$0.target.isScorable }
    guard others > 0 else { return examples() }
    try StandardStream.error.writeLine(
      "note: of \(dataset.items.count.counted("item")) \(others.counted("point")) without a box "
        + "\(others == 1 ? "is" : "are") left out, since no click is right or wrong; say how far from "
        + "the point one is right with --point-radius"
    )
    return .rows(of: dataset) { $0.target.isScorable }
  }
}

extension SyntheticPage {
  /// The page as an item of a data set; its kind is the shape.
  func item(_ index: Int) -> GroundingItem {
    var item = GroundingItem(
      id: "page-\(index)",
      imagePath: "images/page-\(index).png",
      imageSize: image.size,
      instruction: instruction.text,
      target: GroundingTarget(box: box)
    )
    item.kind = target.shape.rawValue
    item.name = "\(target.color.rawValue) \(target.shape.rawValue)"
    item.source = "synthetic"
    return item
  }
}

extension GroundingItem {
  /// The number of a synthetic page, out of its name.
  fileprivate var ordinalOfPage: Int { Int(id.dropFirst("page-".count)) ?? 0 }
}

/// Annotations, or synthetic pages.
struct DataArguments: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "Annotations: a file or a folder. (default: synthetic pages)",
      valueName: "path"
    )
  )
  var data: String?
  @Option(help: "The layout of the annotations.")
  var layout = GroundingLayout.native
  @Option(
    help: ArgumentHelp("The pictures. (default: beside the annotations)", valueName: "folder")
  )
  var images: String?
  @Option(help: "The part of the data, such as train or test. (default: all)")
  var split: String?
  @Option(help: "The most items. (default: all)")
  var limit: Int?
  @Option(
    help: ArgumentHelp(
      "How far from a point a click is right, for rows that have no box.",
      valueName: "pixels"
    )
  )
  var pointRadius: Double?
  @Option(
    help: "What the numbers of the layout conversations mean. (default: unit, shares of the sides)"
  )
  var dataSpace: CoordinateSpace?
  @Option(help: "Synthetic pages. (default: 1500 for sft, 500 for eval, else 6000)")
  var pages: Int?
  @Option(help: "The seed of synthetic pages. (default: one for each command)")
  var pageSeed: UInt64?
  @Option(help: "The sides of synthetic pages in pixels.")
  var pageSide = 192

  func validate() throws {
    guard (1...1 << 30).contains(limit ?? 1), (1...1 << 30).contains(pages ?? 1) else {
      throw ValidationError("--limit and --pages must be above 0")
    }
    guard (64...8192).contains(pageSide) else {
      throw ValidationError("--page-side must be 64 to 8192")
    }
    guard (pointRadius ?? 1) > 0, (pointRadius ?? 1).isFinite else {
      throw ValidationError("--point-radius must be above 0")
    }
    if data == nil {
      guard images == nil, split == nil, limit == nil, pointRadius == nil, dataSpace == nil else {
        throw ValidationError(
          "--images, --split, --limit, --point-radius and --data-space need --data"
        )
      }
    } else if pages != nil || pageSeed != nil {
      throw ValidationError("--pages and --page-seed are for synthetic pages, not with --data")
    }
  }

  /// What is taken, where nothing else is said so many pages of a seed.
  func description(pages count: Int, seed: UInt64) -> SourceDescription {
    var description = SourceDescription(path: data, layout: layout, images: images)
    (description.split, description.limit) = (split, limit)
    (description.pointRadius, description.space) = (pointRadius, dataSpace)
    guard data == nil else { return description }
    description.pages = pages ?? count
    description.pageSeed = pageSeed ?? seed
    description.pageSide = pageSide
    return description
  }
}
