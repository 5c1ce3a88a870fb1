extension TemplateInterpreter {
  /// The tests and how many arguments they take.
  static let tests: [String: Int] = [
    "defined": 0, "undefined": 0, "none": 0, "string": 0, "mapping": 0, "iterable": 0,
    "sequence": 0, "number": 0, "integer": 0, "float": 0, "boolean": 0, "true": 0, "false": 0,
    "callable": 0, "lower": 0, "upper": 0, "odd": 0, "even": 0, "divisibleby": 1, "equalto": 1,
    "eq": 1, "ne": 1, "lt": 1, "lessthan": 1, "le": 1, "gt": 1, "greaterthan": 1, "ge": 1,
    "in": 1, "sameas": 1,
  ]
  /// Tests that are operators, by the names that filters may give them.
  private static let comparisons = [
    "equalto": "==", "eq": "==", "ne": "!=", "lt": "<", "lessthan": "<", "le": "<=", "gt": ">",
    "greaterthan": ">", "ge": ">=", "in": "in", "==": "==", "!=": "!=", "<": "<", "<=": "<=",
    ">": ">", ">=": ">=",
  ]

  /// Whether there is a test of a name that is a text of the template.
  static func isTest(_ name: String, count: Int) -> Bool {
    tests[name].map { $0 == count } ?? (comparisons[name] != nil && count == 1)
  }

  mutating func tested(
    _ base: TemplateValue,
    _ name: String,
    _ arguments: [TemplateValue]
  ) throws(ChatTemplateError) -> Bool {
    let argument = arguments.first ?? .undefined
    if let symbol = Self.comparisons[name] { return try holds(symbol, base, argument) }
    switch (name, base) {
    case ("defined", _): return !base.isUndefined
    case ("undefined", _): return base.isUndefined
    case ("none", .none), ("string", .string), ("mapping", .map), ("boolean", .bool),
      ("integer", .integer), ("float", .number), ("callable", .function), ("callable", .undefined),
      ("callable", .loop):
      return true
    case ("number", _): return base.double != nil
    case ("iterable", .list), ("iterable", .generator), ("iterable", .loop): return true
    case ("iterable", .string), ("iterable", .map), ("iterable", .undefined),
      ("sequence", .string), ("sequence", .map), ("sequence", .undefined):
      return true
    case ("sequence", .list(let list)): return [.list, .tuple, .range].contains(list.kind)
    case ("true", .bool(let flag)): return flag
    case ("false", .bool(let flag)): return !flag
    case ("lower", _): return TemplateText.test("islower", try text(of: base)) ?? false
    case ("upper", _): return TemplateText.test("isupper", try text(of: base)) ?? false
    case ("odd", _): return try isDivisible(base, by: .integer(2), rest: 1)
    case ("even", _): return try isDivisible(base, by: .integer(2), rest: 0)
    case ("divisibleby", _): return try isDivisible(base, by: argument, rest: 0)
    case ("sameas", _):
      try charge(min(base.weight, argument.weight))
      return try isIdentical(base, argument)
    default: return false
    }
  }

  private func isDivisible(
    _ value: TemplateValue,
    by divisor: TemplateValue,
    rest: Int
  ) throws(ChatTemplateError) -> Bool {
    if let number = value.integer, let divisor = divisor.integer, divisor != 0 {
      // Python's remainder has the sign of the divisor.
      return divisor == -1 || (number % divisor).magnitude == rest.magnitude
    }
    guard let number = value.double, let divisor = divisor.double, divisor != 0 else {
      throw failure("only numbers can be divided")
    }
    let remainder = number.truncatingRemainder(dividingBy: divisor)
    return (remainder < 0 ? remainder + divisor : remainder) == Double(rest)
  }

  /// Whether two values are one object; lists and maps have no identity here.
  private func isIdentical(
    _ left: TemplateValue,
    _ right: TemplateValue
  ) throws(ChatTemplateError) -> Bool {
    switch (left, right) {
    case (.bool, .bool), (.integer, .integer), (.string, .string), (.none, .none),
      (.namespace, .namespace), (.loop, .loop), (.generator, .generator):
      return left == right
    case (.list, .list), (.map, .map), (.number, .number):
      guard left == right else { return false }
      throw failure("'sameas' is not supported for lists, maps and fractions")
    default: return false
    }
  }
}
