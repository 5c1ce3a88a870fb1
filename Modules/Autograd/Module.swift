/// Anything that holds parameters: a layer, a block, a model.
///
/// A module is a class with stored properties; nothing needs to be registered. Parameters, buffers
/// and further modules are found by reflection, through optionals, arrays, tuples, dictionaries with
/// string keys and existentials, and are named by the path of properties that leads to them, joined
/// by dots: `blocks.0.attention.query.weight`.
///
///     final class Classifier: Module {
///       let hidden: Linear
///       let output: Linear
///       ...
///       func callAsFunction(_ x: Variable) -> Variable { output(hidden(x).relu()) }
///     }
///     model.namedParameters().map(\.name)   // hidden.weight, hidden.bias, output.weight, ...
///
/// Reflection takes microseconds a module: it runs when an optimizer or a checkpoint is made, never
/// in a step. Properties that lead back to a module being visited (a parent) are skipped.
public protocol Module: AnyObject {
  /// Shows the visitor everything that the module holds.
  ///
  /// The default visits all stored properties in the order of their declaration, inherited ones
  /// first. Write it by hand where names must differ from the properties'.
  func visitParameters(_ visitor: ModuleVisitor)
}

extension Module {
  /// Visits all stored properties.
  public func visitParameters(_ visitor: ModuleVisitor) { visitor.visitStoredProperties(of: self) }
}

/// A module that computes differently while it is trained: dropout, batch norm.
public protocol TrainingDependent: Module {
  /// Whether the module behaves as in training; true at first.
  var isTraining: Bool { get set }
}

/// A parameter and where it was found.
public struct NamedParameter {
  /// The path of the first property that leads to it, joined by dots.
  public let name: String
  /// Further paths that lead to the same object: tied weights.
  public internal(set) var aliases: [String] = []
  /// The parameter.
  public let parameter: Parameter
  /// The module whose property it is.
  public let owner: any Module
}

/// A buffer and where it was found.
public struct NamedBuffer {
  /// The path of the first property that leads to it, joined by dots.
  public let name: String
  /// Further paths that lead to the same object.
  public internal(set) var aliases: [String] = []
  /// The buffer.
  public let buffer: Buffer
}

/// A module and where it was found.
public struct NamedModule {
  /// The path of the first property that leads to it, joined by dots; empty for the root.
  public let name: String
  /// Further paths that lead to the same object.
  public internal(set) var aliases: [String] = []
  /// The module.
  public let module: any Module
}

/// How many numbers a module's parameters hold, tied ones counted once.
public struct ParameterCount: Codable, Hashable, Sendable {
  /// All.
  public var total: Int
  /// Those of trainable parameters.
  public var trainable: Int

  /// The two counts.
  public init(total: Int, trainable: Int) {
    self.total = total
    self.trainable = trainable
  }
}

extension Module {
  /// All parameters in the order of the properties; tied ones once, under their first name.
  public func namedParameters() -> [NamedParameter] { ModuleVisitor(visiting: self).parameters }

  /// All parameters in the order of the properties, tied ones once.
  public func parameters() -> [Parameter] { namedParameters().map(\.parameter) }

  /// All buffers in the order of the properties.
  public func namedBuffers() -> [NamedBuffer] { ModuleVisitor(visiting: self).buffers }

  /// This module (under the empty name) and all modules inside it, outer ones first.
  public func namedModules() -> [NamedModule] { ModuleVisitor(visiting: self).modules }

  /// How many numbers the parameters hold, and how many of them are trained.
  public var parameterCount: ParameterCount {
    namedParameters().reduce(into: ParameterCount(total: 0, trainable: 0)) { count, entry in
      count.total += entry.parameter.count
      if entry.parameter.isTrainable { count.trainable += entry.parameter.count }
    }
  }

  /// Stops the training of the parameters whose name `isIncluded` accepts, all by default, and
  /// forgets their gradients.
  public func freeze(where isIncluded: (_ name: String) -> Bool = { _ in true }) {
    for entry in namedParameters() where isIncluded(entry.name) {
      entry.parameter.isTrainable = false
      entry.parameter.clearGradient()
    }
  }

  /// Lets the parameters train whose name `isIncluded` accepts, all by default.
  public func unfreeze(where isIncluded: (_ name: String) -> Bool = { _ in true }) {
    for entry in namedParameters() where isIncluded(entry.name) {
      entry.parameter.isTrainable = true
    }
  }

  /// Forgets all gradients, and their memory.
  public func clearGradients() {
    for parameter in parameters() { parameter.clearGradient() }
  }

  /// Makes all modules behave as in training: dropout drops, batch norm uses the batch.
  public func train() { setTraining(true) }

  /// Makes all modules behave as in use.
  public func eval() { setTraining(false) }

  private func setTraining(_ isTraining: Bool) {
    for entry in namedModules() {
      if let module = entry.module as? any TrainingDependent { module.isTraining = isTraining }
    }
  }
}
