/// A statement of a chat template.
indirect enum TemplateNode: Sendable {
  case text(String)
  case print(TemplateExpression, line: Int)
  case branch(
    [(condition: TemplateExpression, body: [TemplateNode])],
    otherwise: [TemplateNode],
    line: Int
  )
  case loop(TemplateLoop)
  case set(name: String, attribute: String?, TemplateExpression, line: Int)
  case capture(name: String, [TemplateNode])
  case macro(name: String, TemplateMacro)
  case leave
  case skip
}

/// A `for`.
struct TemplateLoop: Sendable {
  var names: [String]
  var sequence: TemplateExpression
  var condition: TemplateExpression?
  var body: [TemplateNode]
  var otherwise: [TemplateNode]
  var line: Int
}

/// A `macro`.
struct TemplateMacro: Sendable {
  var parameters: [(name: String, fallback: TemplateExpression?)]
  var body: [TemplateNode]
}

/// An expression of a chat template.
indirect enum TemplateExpression: Sendable {
  case undefined
  case none
  case bool(Bool)
  case integer(Int)
  case number(Double)
  case string(String)
  case name(String)
  case list([TemplateExpression])
  case map([(TemplateExpression, TemplateExpression)])
  case attribute(TemplateExpression, String)
  case element(TemplateExpression, TemplateExpression)
  case slice(TemplateExpression, TemplateExpression?, TemplateExpression?, TemplateExpression?)
  case call(TemplateExpression, TemplateArguments)
  case filter(TemplateExpression, String, TemplateArguments)
  case test(TemplateExpression, String, TemplateArguments)
  case not(TemplateExpression)
  case negated(TemplateExpression)
  case binary(String, TemplateExpression, TemplateExpression)
  case choice(TemplateExpression, condition: TemplateExpression, otherwise: TemplateExpression)
}

/// The arguments of a call.
struct TemplateArguments: Sendable {
  var values: [TemplateExpression] = []
  var named: [(String, TemplateExpression)] = []
}
