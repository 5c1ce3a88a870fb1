/// Why a search cannot run.
public enum SearchError: Error, Equatable, Sendable {
  /// A setting that makes no sense.
  case setting(name: String, value: String, needed: String)
  /// The policy answered with fewer samples than asked for, as often as it was asked.
  case noSamples(policy: String, requests: Int)
  /// The policy wants a view without pixels.
  case emptyView(policy: String, region: PixelSize, view: PixelSize)
}

extension SearchError: CustomStringConvertible {
  /// What is wrong, and what to do.
  public var description: String {
    switch self {
    case .setting(let name, let value, let needed): "search: \(name) is \(value), \(needed)"
    case .noSamples(let policy, let requests):
      "search: \(policy) gave no answer in \(requests) requests; look at its server's log"
    case .emptyView(let policy, let region, let view):
      "search: \(policy) wants to see \(region) pixels as \(view)"
    }
  }
}
