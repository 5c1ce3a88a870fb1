import GUIGrounding
import Tensor

/// An element that an instruction can name, and its rank among equal ones.
struct NamedElement: Equatable, Sendable {
  var element: PageElement
  /// The rank from the top, from 0; nil for an element of its own.
  var ordinal: Int?
}

/// Which elements of a viewport instructions are written for.
///
/// An element of its own is named by kind and name. Two or three equal ones are told apart by their
/// order from the top; more are left out, and so are those that share kind and name with something
/// that was rejected but is partly in view.
enum ElementSelection {
  /// The most equal elements that are told apart by their order.
  static let largestGroup = 3

  /// - Parameters:
  ///   - extract: the viewport.
  ///   - limit: how many to keep.
  ///   - generator: draws which.
  /// - Returns: elements in the order drawn, and how many were ambiguous.
  static func select(
    from extract: PageExtract,
    limit: Int,
    using generator: inout Philox
  ) -> (kept: [NamedElement], ambiguous: Int) {
    var groups: [ElementLabel: [PageElement]] = [:]
    for element in extract.elements { groups[element.label, default: []].append(element) }
    var named: [NamedElement] = []
    for element in extract.elements where !extract.otherLabels.contains(element.label) {
      let group = groups[element.label] ?? []
      guard group.count <= largestGroup else { continue }
      named.append(NamedElement(element: element, ordinal: ordinal(of: element, in: group)))
    }
    // Two elements in the same place have no order.
    named = named.filter { $0.ordinal != -1 }
    let ambiguous = extract.elements.count - named.count
    let order = Tensor<Int32>.permutation(named.count, using: &generator).elements
    return (order.prefix(limit).map { named[Int($0)] }, ambiguous)
  }

  /// The rank from the top, then from the left; nil in a group of one, −1 for equal places.
  private static func ordinal(of element: PageElement, in group: [PageElement]) -> Int? {
    guard group.count > 1 else { return nil }
    let place = (element.bounds.y0, element.bounds.x0)
    let places = group.map { ($0.bounds.y0, $0.bounds.x0) }
    guard places.filter({ $0 == place }).count == 1 else { return -1 }
    return places.filter { $0 < place }.count
  }
}
