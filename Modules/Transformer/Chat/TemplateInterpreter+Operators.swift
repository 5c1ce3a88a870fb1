extension TemplateInterpreter {
  mutating func binary(
    _ symbol: String,
    _ left: TemplateExpression,
    _ right: TemplateExpression
  ) throws(ChatTemplateError) -> TemplateValue {
    let first = try value(left)
    switch symbol {
    case "or": return first.isTrue ? first : try value(right)
    case "and": return first.isTrue ? try value(right) : first
    default: break
    }
    let second = try value(right)
    switch symbol {
    case "==": return .bool(first == second)
    case "!=": return .bool(first != second)
    case "<", ">", "<=", ">=": return .bool(try compared(symbol, first, second))
    case "in": return .bool(try contains(second, first))
    case "~": return .string(try joined(first.text, second.text))
    default: return try arithmetic(symbol, first, second)
    }
  }

  /// Two texts as one, unless that is longer than any output.
  private func joined(_ left: String, _ right: String) throws(ChatTemplateError) -> String {
    guard left.utf8.count + right.utf8.count <= TemplateText.maximumLength else {
      throw failure("a text is too long")
    }
    return left + right
  }

  private func compared(
    _ symbol: String,
    _ left: TemplateValue,
    _ right: TemplateValue
  ) throws(ChatTemplateError) -> Bool {
    func decide<Value: Comparable>(_ left: Value, _ right: Value) -> Bool {
      switch symbol {
      case "<": left < right
      case ">": left > right
      case "<=": left <= right
      default: left >= right
      }
    }
    if let left = left.double, let right = right.double { return decide(left, right) }
    guard case .string(let first) = left, case .string(let second) = right else {
      throw failure("'\(symbol)' needs two numbers or two texts")
    }
    return decide(first, second)
  }

  func contains(
    _ whole: TemplateValue,
    _ part: TemplateValue
  ) throws(ChatTemplateError) -> Bool {
    switch whole {
    case .string(let text):
      guard case .string(let part) = part else { throw failure("'in' a text needs a text") }
      return part.isEmpty || text.contains(part)
    case .list(let values): return values.contains(part)
    case .map(let pairs): return pairs.contains { .string($0.0) == part }
    case .undefined: return false
    default: throw failure("'in' needs a text, a list or a map")
    }
  }

  private func arithmetic(
    _ symbol: String,
    _ left: TemplateValue,
    _ right: TemplateValue
  ) throws(ChatTemplateError) -> TemplateValue {
    switch (symbol, left, right) {
    case ("+", .string(let left), .string(let right)): return .string(try joined(left, right))
    case ("+", .list(let left), .list(let right)):
      guard left.count + right.count <= Self.maximumSteps else {
        throw failure("a list is too long")
      }
      return .list(left + right)
    case (_, .integer(let left), .integer(let right)):
      return try arithmetic(symbol, left, right)
    default: break
    }
    guard let first = left.double, let second = right.double else {
      throw failure("'\(symbol)' does not fit '\(left.text)' and '\(right.text)'")
    }
    switch symbol {
    case "+": return .number(first + second)
    case "-": return .number(first - second)
    case "*": return .number(first * second)
    default:
      guard second != 0 else { throw failure("division by 0") }
      if symbol == "/" { return .number(first / second) }
      let quotient = (first / second).rounded(.down)
      return .number(symbol == "//" ? quotient : first - quotient * second)
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
}
