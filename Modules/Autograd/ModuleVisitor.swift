import Tensor

/// Walks through a module and collects what it holds, with names.
///
/// Only modules that write `visitParameters` by hand meet one:
///
///     func visitParameters(_ visitor: ModuleVisitor) {
///       visitor.visit("weight", weight)
///       visitor.visit("inner", inner)
///     }
public final class ModuleVisitor {
  private(set) var parameters: [NamedParameter] = []
  private(set) var buffers: [NamedBuffer] = []
  private(set) var modules: [NamedModule] = []
  private var indices: [ObjectIdentifier: Int] = [:]
  private var names: [String: ObjectIdentifier] = [:]
  /// The modules between the root and the place that is visited.
  private var enclosing: [any Module] = []
  private var path = ""

  init(visiting root: any Module) { enter(root) }

  /// Visits a parameter; nothing for nil.
  public func visit(_ name: String, _ parameter: Parameter?) {
    guard let parameter, let owner = enclosing.last else { return }
    within(name) {
      guard let first = claim(parameter) else {
        parameters.append(NamedParameter(name: path, parameter: parameter, owner: owner))
        return
      }
      if parameters[first].name != path { parameters[first].aliases.append(path) }
    }
  }

  /// Visits a buffer; nothing for nil.
  public func visit(_ name: String, _ buffer: Buffer?) {
    guard let buffer else { return }
    within(name) {
      guard let first = claim(buffer) else {
        buffers.append(NamedBuffer(name: path, buffer: buffer))
        return
      }
      if buffers[first].name != path { buffers[first].aliases.append(path) }
    }
  }

  /// Visits a module and everything in it; nothing for nil.
  public func visit(_ name: String, _ module: (any Module)?) {
    guard let module, !enclosing.contains(where: { $0 === module }) else { return }
    within(name) { enter(module) }
  }

  /// Visits the elements of an array, named by their index; only modules among them count.
  public func visit<Element>(_ name: String, _ elements: [Element]) {
    visitAny(name, elements)
  }

  /// Visits all stored properties, inherited ones first: what the default `visitParameters` does.
  public func visitStoredProperties(of module: any Module) {
    visitProperties(Mirror(reflecting: module))
  }

  private func visitProperties(_ mirror: Mirror) {
    if let inherited = mirror.superclassMirror { visitProperties(inherited) }
    for child in mirror.children {
      guard let label = child.label else { continue }
      let isLazy = label.hasPrefix(lazyPrefix)
      visitAny(isLazy ? String(label.dropFirst(lazyPrefix.count)) : label, child.value)
    }
  }

  private func visitAny(_ name: String, _ value: Any) {
    // Casting sees through optionals and existentials.
    if let parameter = value as? Parameter { return visit(name, parameter) }
    if let buffer = value as? Buffer { return visit(name, buffer) }
    if let module = value as? any Module { return visit(name, module) }
    if let array = value as? any PlainCollection, array.hasPlainElements { return }
    let mirror = Mirror(reflecting: value)
    switch mirror.displayStyle {
    case .optional:
      if let wrapped = mirror.children.first { visitAny(name, wrapped.value) }
    case .collection:
      within(name) {
        for (index, child) in mirror.children.enumerated() { visitAny("\(index)", child.value) }
      }
    case .tuple:
      within(name) {
        for (index, child) in mirror.children.enumerated() {
          let label = child.label.map { $0.hasPrefix(".") ? String($0.dropFirst()) : $0 }
          visitAny(label ?? "\(index)", child.value)
        }
      }
    case .dictionary:
      within(name) {
        let pairs = mirror.children.compactMap { child -> (key: String, value: Any)? in
          let pair = Mirror(reflecting: child.value).children.map(\.value)
          guard pair.count == 2, let key = pair[0] as? String else { return nil }
          return (key, pair[1])
        }
        for pair in pairs.sorted(by: { $0.key < $1.key }) { visitAny(pair.key, pair.value) }
      }
    default: return
    }
  }

  private func enter(_ module: any Module) {
    if let first = claim(module) {
      if modules[first].name != path { modules[first].aliases.append(path) }
    } else {
      modules.append(NamedModule(name: path, module: module))
    }
    // A module met again is walked again: its parameters learn their further names.
    enclosing.append(module)
    module.visitParameters(self)
    enclosing.removeLast()
  }

  /// The index under which an object was collected before; nil notes that it is collected next.
  private func claim(_ object: AnyObject) -> Int? {
    let identity = ObjectIdentifier(object)
    expect(
      names[path, default: identity] == identity,
      "module: two objects are called \(path)"
    )
    names[path] = identity
    if let index = indices[identity] { return index }
    switch object {
    case is Parameter: indices[identity] = parameters.count
    case is Buffer: indices[identity] = buffers.count
    default: indices[identity] = modules.count
    }
    return nil
  }

  private func within(_ name: String, _ body: () -> Void) {
    let outer = path
    path = outer.isEmpty ? name : outer + "." + name
    body()
    path = outer
  }
}

/// What the compiler puts before the name of a lazy property.
private let lazyPrefix = "$__lazy_storage_$_"

/// A collection of which no element can be or hold a module, such as a list of numbers: not walked.
private protocol PlainCollection {
  var hasPlainElements: Bool { get }
}

extension Array: PlainCollection {
  fileprivate var hasPlainElements: Bool {
    Element.self is any Numeric.Type || Element.self is any StringProtocol.Type
      || Element.self is Bool.Type
  }
}
