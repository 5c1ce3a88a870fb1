import Tensor

/// What an update covers of each parameter; parameters that it does not name are not covered.
public struct CoverageSet: Hashable, Sendable {
  private var parts: [String: Coverage]

  /// A set of coverages by the names of their parameters.
  public init(_ parts: [String: Coverage] = [:]) { self.parts = parts }

  /// Full coverage of every parameter of a set.
  public static func full(of parameters: ParameterSet) -> CoverageSet {
    CoverageSet(Dictionary(uniqueKeysWithValues: parameters.names.map { ($0, .full) }))
  }

  /// The coverage of a parameter; nil if nothing of it is covered.
  public subscript(name: String) -> Coverage? {
    get { parts[name] }
    set { parts[name] = newValue }
  }

  /// The names of the parameters that are covered, at least in part, sorted.
  public var names: [String] { parts.keys.sorted() }

  /// How many entries of all parameters are covered.
  public func count(in parameters: ParameterSet) -> Int {
    parameters.entries.reduce(0) { $0 + (self[$1.name]?.count(in: $1.tensor.shape) ?? 0) }
  }

  /// The coverage when `inner` covers some of the part that this set keeps; see
  /// `Coverage.selecting(_:in:)`.
  public func selecting(_ inner: CoverageSet, in parameters: ParameterSet) -> CoverageSet {
    var result = CoverageSet()
    for (name, tensor) in parameters.entries {
      guard let outer = self[name], let part = inner[name] else { continue }
      result[name] = outer.selecting(part, in: tensor.shape)
    }
    return result
  }

  /// The covered parts of the parameters, without those that are not covered.
  public func parts(of parameters: ParameterSet) -> ParameterSet {
    ParameterSet(
      parameters.entries.compactMap { entry in
        self[entry.name].map { (entry.name, $0.part(of: entry.tensor)) }
      }
    )
  }
}
