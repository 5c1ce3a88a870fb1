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
  case set(TemplateTarget, TemplateExpression, line: Int)
  /// A body with names of its own: `with`.
  case scope([(TemplateTarget, TemplateExpression)], body: [TemplateNode], line: Int)
  case macro(TemplateMacro)
  case leave
  case skip
}

/// What a value is assigned to.
indirect enum TemplateTarget: Sendable {
  case name(String)
  /// A name of a namespace.
  case attribute(String, String)
  /// The parts of a tuple.
  case parts([TemplateTarget])
}

/// A `for`.
struct TemplateLoop: Sendable {
  var target: TemplateTarget
  var sequence: TemplateExpression
  var condition: TemplateExpression?
  var body: [TemplateNode]
  var otherwise: [TemplateNode]
  var line: Int
}

/// A `macro`, or the body of a `call`.
struct TemplateMacro: Sendable {
  var name: String
  var parameters: [(name: String, fallback: TemplateExpression?)]
  var body: [TemplateNode]
  /// Which of `varargs`, `kwargs` and `caller` the body asks for.
  var extras: Set<String>
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
  case tuple([TemplateExpression])
  case map([(TemplateExpression, TemplateExpression)])
  case attribute(TemplateExpression, String)
  case element(TemplateExpression, TemplateExpression)
  case slice(TemplateExpression, TemplateExpression?, TemplateExpression?, TemplateExpression?)
  case call(TemplateExpression, TemplateArguments)
  case filter(TemplateExpression, String, TemplateArguments)
  case test(TemplateExpression, String, TemplateArguments)
  case not(TemplateExpression)
  /// A number behind a sign.
  case signed(TemplateExpression, isNegative: Bool)
  case binary(String, TemplateExpression, TemplateExpression)
  /// Comparisons in a row, all of which must hold: `1 < x <= 3`.
  case comparison(TemplateExpression, [(String, TemplateExpression)])
  case choice(TemplateExpression, condition: TemplateExpression, otherwise: TemplateExpression)
  /// The text that statements write.
  case body([TemplateNode])
  case macro(TemplateMacro)
}

/// The arguments of a call.
struct TemplateArguments: Sendable {
  var values: [TemplateExpression] = []
  var named: [(String, TemplateExpression)] = []
  /// What stands behind `*`: further values.
  var list: TemplateExpression?
  /// What stands behind `**`: further names.
  var map: TemplateExpression?
}
