import Foundation

extension TemplateInterpreter {
  /// Operators in a row, from the left; their number nests nothing.
  mutating func binary(
    _ expression: TemplateExpression
  ) throws(ChatTemplateError) -> TemplateValue {
    var first = expression
    var others: [(symbol: String, right: TemplateExpression)] = []
    while case .binary(let symbol, let left, let right) = first {
      others.append((symbol, right))
      first = left
    }
    var result = try value(first)
    for (symbol, right) in others.reversed() {
      switch symbol {
      case "or": if !result.isTrue { result = try value(right) }
      case "and": if result.isTrue { result = try value(right) }
      case "~":
        let second = try value(right)
        result = .string(try joined(try text(of: result), try text(of: second)))
      default: result = try arithmetic(symbol, result, try value(right))
      }
    }
    return result
  }

  /// Comparisons in a row, each with the value before it.
  mutating func comparison(
    _ first: TemplateExpression,
    _ others: [(String, TemplateExpression)]
  ) throws(ChatTemplateError) -> TemplateValue {
    var left = try value(first)
    for (symbol, expression) in others {
      let right = try value(expression)
      guard try holds(symbol, left, right) else { return .bool(false) }
      left = right
    }
    return .bool(true)
  }

  mutating func holds(
    _ symbol: String,
    _ left: TemplateValue,
    _ right: TemplateValue
  ) throws(ChatTemplateError) -> Bool {
    switch symbol {
    case "==", "!=":
      try charge(min(left.weight, right.weight))
      return (left == right) == (symbol == "==")
    case "in": return try contains(right, left)
    case "not in": return try !contains(right, left)
    case "<": return try precedes(left, right)
    case ">": return try precedes(right, left)
    case "<=": return try precedes(left, right, orEqual: true)
    default: return try precedes(right, left, orEqual: true)
    }
  }

  /// Two texts as one, unless that is longer than any output.
  private mutating func joined(
    _ left: String,
    _ right: String
  ) throws(ChatTemplateError) -> String {
    guard left.utf8.count + right.utf8.count <= TemplateText.maximumLength else {
      throw failure("a text is too long")
    }
    try charge(left.utf8.count + right.utf8.count)
    return left + right
  }

  /// Whether a value comes before another: numbers, texts and lists have an order.
  mutating func precedes(
    _ left: TemplateValue,
    _ right: TemplateValue,
    orEqual: Bool = false
  ) throws(ChatTemplateError) -> Bool {
    if let left = left.integer, let right = right.integer {
      return orEqual ? left <= right : left < right
    }
    if let left = left.double, let right = right.double {
      return orEqual ? left <= right : left < right
    }
    try charge(min(left.weight, right.weight))
    if let left = left.string, let right = right.string {
      return orEqual ? !TemplateText.precedes(right, left) : TemplateText.precedes(left, right)
    }
    guard case .list(let first) = left, case .list(let second) = right,
      first.kind == second.kind, first.kind == .list || first.kind == .tuple
    else { throw failure("\(left.kind) and \(right.kind) have no order") }
    for (left, right) in zip(first.items, second.items) where left != right {
      return try precedes(left, right, orEqual: orEqual)
    }
    let (left, right) = (first.items.count, second.items.count)
    return orEqual ? left <= right : left < right
  }

  mutating func contains(
    _ whole: TemplateValue,
    _ part: TemplateValue
  ) throws(ChatTemplateError) -> Bool {
    switch whole {
    case .string(let text):
      guard case .string(let part) = part else { throw failure("'in' a text needs a text") }
      try charge(text.utf8.count)
      return TemplateText.contains(text, part)
    case .map(let map):
      return try value(of: part, in: map) != nil
    default:
      let weight = min(part.weight, 1 << 40)
      let elements = try elements(of: whole, for: "in")
      try charge(min(whole.weight, elements.count * weight))
      return elements.contains(part)
    }
  }

  mutating func signed(
    _ value: TemplateValue,
    _ isNegative: Bool
  ) throws(ChatTemplateError) -> TemplateValue {
    if let number = value.integer, number != .min {
      return .integer(isNegative ? -number : number)
    }
    guard let number = value.double else { throw failure("only numbers have a sign") }
    return .number(isNegative ? -number : number)
  }
}

// MARK: - Arithmetic

extension TemplateInterpreter {
  mutating func arithmetic(
    _ symbol: String,
    _ left: TemplateValue,
    _ right: TemplateValue
  ) throws(ChatTemplateError) -> TemplateValue {
    switch (symbol, left, right) {
    case ("+", .string(let left), .string(let right)): return .string(try joined(left, right))
    case ("%", .string(let pattern), _):
      try charge(TemplateMap.sum(pattern.utf8.count, right.weight))
      guard let text = TemplateText.formatted(pattern, right) else {
        throw failure("the values behind '%' do not fit the text before it")
      }
      return .string(text)
    case ("+", .list(let left), .list(let right))
    where left.kind == right.kind && (left.kind == .list || left.kind == .tuple):
      guard left.items.count + right.items.count <= Self.maximumSteps else {
        throw failure("a list is too long")
      }
      try step((left.items.count + right.items.count) / 16)
      return .list(left.items + right.items, left.kind)
    default: break
    }
    if symbol == "*" {
      if let count = right.integer, let result = try repeated(left, count) { return result }
      if let count = left.integer, let result = try repeated(right, count) { return result }
    }
    if let left = left.integer, let right = right.integer {
      return try arithmetic(symbol, left, right)
    }
    guard let first = left.double, let second = right.double else {
      throw failure("'\(symbol)' does not fit \(left.kind) and \(right.kind)")
    }
    return .number(try arithmetic(symbol, first, second))
  }

  /// A text or list several times; nil for anything else.
  private mutating func repeated(
    _ value: TemplateValue,
    _ count: Int
  ) throws(ChatTemplateError) -> TemplateValue? {
    let count = max(count, 0)
    switch value {
    case .string(let text):
      let (length, isTooLarge) = text.utf8.count.multipliedReportingOverflow(by: count)
      guard !isTooLarge, length <= TemplateText.maximumLength else {
        throw failure("a text is too long")
      }
      try charge(length)
      return .string(text.isEmpty ? "" : String(repeating: text, count: count))
    case .list(let list) where list.kind == .list || list.kind == .tuple:
      let (length, isTooLarge) = list.items.count.multipliedReportingOverflow(by: count)
      guard !isTooLarge, length <= Self.maximumSteps else { throw failure("a list is too long") }
      try step(length / 16)
      let items = list.items.isEmpty ? [] : repeatElement(list.items, count: count).flatMap { $0 }
      return .list(items, list.kind)
    default: return nil
    }
  }

  private func arithmetic(
    _ symbol: String,
    _ left: Double,
    _ right: Double
  ) throws(ChatTemplateError) -> Double {
    switch symbol {
    case "+": return left + right
    case "-": return left - right
    case "*": return left * right
    case "**":
      guard left >= 0 || right == right.rounded(), left != 0 || right >= 0 else {
        throw failure("'**' does not fit its values")
      }
      let result = pow(left, right)
      guard result.isFinite || !left.isFinite || !right.isFinite else {
        throw failure("a number is too large")
      }
      return result
    default:
      guard right != 0 else { throw failure("division by 0") }
      if symbol == "/" { return left / right }
      // Python rounds down.
      var rest = left.truncatingRemainder(dividingBy: right)
      if rest != 0, (rest < 0) != (right < 0) { rest += right }
      return symbol == "%" ? rest : ((left - rest) / right).rounded()
    }
  }

  private func arithmetic(
    _ symbol: String,
    _ left: Int,
    _ right: Int
  ) throws(ChatTemplateError) -> TemplateValue {
    var (result, isTooLarge) = (0, false)
    switch symbol {
    case "+": (result, isTooLarge) = left.addingReportingOverflow(right)
    case "-": (result, isTooLarge) = left.subtractingReportingOverflow(right)
    case "*": (result, isTooLarge) = left.multipliedReportingOverflow(by: right)
    case "**":
      guard right >= 0 else { return .number(try arithmetic(symbol, Double(left), Double(right))) }
      return .integer(try power(left, right))
    default:
      guard right != 0 else { throw failure("division by 0") }
      if symbol == "/" { return .number(Double(left) / Double(right)) }
      guard right != -1 || left != .min else { throw failure("a number is too large") }
      // Python rounds down.
      let (quotient, rest) = left.quotientAndRemainder(dividingBy: right)
      let goesBack = rest != 0 && (rest < 0) != (right < 0)
      result = symbol == "//" ? quotient - (goesBack ? 1 : 0) : rest + (goesBack ? right : 0)
    }
    guard !isTooLarge else { throw failure("a number is too large") }
    return .integer(result)
  }

  private func power(_ base: Int, _ exponent: Int) throws(ChatTemplateError) -> Int {
    if (-1...1).contains(base) { return exponent == 0 ? 1 : exponent % 2 == 0 ? base * base : base }
    guard exponent < 64 else { throw failure("a number is too large") }
    var result = 1
    for _ in 0..<exponent {
      let (product, isTooLarge) = result.multipliedReportingOverflow(by: base)
      guard !isTooLarge else { throw failure("a number is too large") }
      result = product
    }
    return result
  }
}
