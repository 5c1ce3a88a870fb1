import Tensor

/// A web site of coloured icons: pages of HTML that share a layout and a theme.
///
///     let site = SyntheticSite(number: 3, seed: 1)
///     print(site.layout, site.html(page: 0))
///
/// What a native policy can be asked for, a colour and a shape, as a browser draws it: among text,
/// panels and frames, in fonts and shades of its own, light or dark, with smooth edges. A page has six
/// to ten icons of different names; each is a button whose accessible name is its colour and shape
/// (`red ring`), and nothing else on the page can be clicked. A renderer of pages makes pictures of
/// them, with the boxes as the browser laid them out.
///
/// Everything comes from `Philox(seed:).fork(number)`: sites of other numbers have other themes, and
/// a layout comes back after as many sites as there are layouts.
public struct SyntheticSite: Sendable {
  /// Where a site has its icons.
  public enum Layout: String, CaseIterable, Codable, Sendable {
    /// A bar above text.
    case toolbar
    /// A column beside text.
    case sidebar
    /// A grid with captions.
    case launcher
    /// A row of a table each.
    case table
    /// Cards with a title, text and an icon or two.
    case cards
    /// A bar below text.
    case tabBar = "tab-bar"
    /// Behind the fields of a form.
    case form
    /// In the lines of a text.
    case article
    /// Tiles with an icon in a corner.
    case gallery
    /// In two bars on top of each other.
    case header
    /// Three columns with headings.
    case columns
    /// Anywhere on a surface.
    case map
  }

  /// Which site of the seed it is.
  public let number: Int
  /// Where its icons are.
  public let layout: Layout
  private let seed: UInt64
  private let theme: SiteTheme

  /// Site `number`, 0 or more, of a seed.
  public init(number: Int, seed: UInt64) {
    expect(number >= 0, "synthetic site: number \(number) is below 0")
    (self.number, self.seed) = (number, seed)
    layout = Layout.allCases[number % Layout.allCases.count]
    var generator = Philox(seed: seed).fork(number)
    theme = SiteTheme(using: &generator)
  }

  /// A page of the site, 0 or more, as a complete document.
  public func html(page: Int) -> String {
    expect(page >= 0, "synthetic site: page \(page) is below 0")
    var writer = SitePageWriter(
      theme: theme,
      generator: Philox(seed: seed).fork(number).fork(page + 1)
    )
    let title = writer.words(2...3)
    let body = writer.body(layout)
    return """
      <!doctype html>
      <html lang="en"><head><meta charset="utf-8"><title>\(title)</title>
      <style>
      \(theme.style)
      </style></head><body>
      \(body)
      </body></html>

      """
  }
}
