import Foundation
import Tensor

extension PageSet {
  /// The HTML files below a folder.
  ///
  /// - Parameters:
  ///   - name: what to call the set.
  ///   - folder: where to look; links are followed once, files that are no files are left out.
  ///   - limit: the most pages; more are drawn at random.
  ///   - minimumByteCount: smaller files are left out, which are redirections mostly.
  ///   - seed: where the draw starts.
  ///   - split: to which part of the data the pages go.
  /// - Returns: the set, its pages in the order of their names.
  /// - Throws: `RenderError.pages` where there are none.
  public static func find(
    name: String,
    in folder: String,
    limit: Int = .max,
    minimumByteCount: Int = 1024,
    seed: UInt64 = 0,
    split: PageSplit = .byPage
  ) throws(RenderError) -> PageSet {
    let root = URL(fileURLWithPath: folder).resolvingSymlinksInPath().path
    guard let enumerator = FileManager.default.enumerator(atPath: root) else {
      throw .pages(set: name, reason: "\(folder) cannot be read")
    }
    var pages: [String] = []
    for case let path as String in enumerator where isPage(path) {
      let attributes = enumerator.fileAttributes
      guard attributes?[.type] as? FileAttributeType == .typeRegular,
        let size = attributes?[.size] as? NSNumber, size.intValue >= minimumByteCount
      else { continue }
      pages.append(path)
    }
    guard !pages.isEmpty else { throw .pages(set: name, reason: "no HTML files in \(folder)") }
    pages.sort { $0.utf8.lexicographicallyPrecedes($1.utf8) }
    if pages.count > limit {
      var generator = Philox(seed: seed)
      let order = Tensor<Int32>.permutation(pages.count, using: &generator).elements
      pages = order.prefix(limit).sorted().map { pages[Int($0)] }
    }
    return PageSet(name: name, folder: root, pages: pages, split: split)
  }

  private static func isPage(_ path: String) -> Bool {
    let name = path.lowercased()
    return name.hasSuffix(".html") || name.hasSuffix(".htm") || name.hasSuffix(".xhtml")
  }
}
