import Foundation
import GUIGrounding
import Testing

/// Sites of coloured icons in HTML.
@Suite struct SyntheticSiteTests {
  private func names(_ html: String) -> [String] {
    html.split(separator: "aria-label=\"").dropFirst().compactMap { part in
      part.split(separator: "\"").first.map(String.init)
    }
  }

  @Test func everyLayoutHasIconsOfDifferentNames() {
    let sites = SyntheticSite.Layout.allCases.indices.map { SyntheticSite(number: $0, seed: 4) }
    #expect(sites.map(\.layout) == SyntheticSite.Layout.allCases)
    for site in sites {
      for page in 0..<3 {
        let names = names(site.html(page: page))
        #expect((6...10).contains(names.count) && Set(names).count == names.count, "\(site.layout)")
        #expect(names.allSatisfy { SyntheticInstruction("click the \($0)") != nil })
      }
    }
  }

  @Test func pagesAreFunctionsOfTheirNumbers() {
    let site = SyntheticSite(number: 2, seed: 9)
    #expect(site.html(page: 1) == SyntheticSite(number: 2, seed: 9).html(page: 1))
    #expect(site.html(page: 1) != site.html(page: 0))
    #expect(site.html(page: 1) != SyntheticSite(number: 2, seed: 10).html(page: 1))
    func style(_ site: SyntheticSite) -> Substring? {
      site.html(page: 0).components(separatedBy: "</style>").first?.split(separator: "<style>").last
    }
    // Pages of a site share its theme, another site with the same layout has its own.
    let later = SyntheticSite(number: 2 + SyntheticSite.Layout.allCases.count, seed: 9)
    #expect(later.layout == site.layout && style(later) != style(site))
  }
}
