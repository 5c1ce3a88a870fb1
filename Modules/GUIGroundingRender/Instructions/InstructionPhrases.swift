import GUIGrounding
import Tensor

/// Words an instruction for an element.
enum InstructionPhrases {
  /// The instruction, drawn among those of the kind; equal elements are named by their order.
  static func instruction(for named: NamedElement, using generator: inout Philox) -> String {
    let name = named.element.name
    if let ordinal = named.ordinal {
      let noun = nouns[named.element.kind] ?? named.element.kind
      let rank = ordinals[min(ordinal, ordinals.count - 1)]
      return "click the \(rank) \"\(name)\" \(noun) from the top"
    }
    let choices = phrases[named.element.kind] ?? otherPhrases
    let phrase = choices[generator.integer(below: choices.count)]
    return phrase(name)
  }

  private static let ordinals = ["first", "second", "third"]

  /// What a kind is called where its own word would be odd.
  private static let nouns = [
    "textbox": "text field", "dropdown": "drop-down list", "menuitem": "menu item",
    "checkbox": "check box", "radio": "option", "option": "entry", "color": "colour field",
    "file": "file field",
  ]

  private typealias Phrase = @Sendable (String) -> String

  private static let otherPhrases: [Phrase] = [{ "click \"\($0)\"" }, { "click \($0)" }, { $0 }]

  private static let phrases: [String: [Phrase]] = [
    "link": [
      { "click the link \"\($0)\"" }, { "open \"\($0)\"" }, { "go to \($0)" }, { $0 },
    ],
    "button": [{ "press the \"\($0)\" button" }, { "click \($0)" }, { $0 }],
    "textbox": [
      { "click the text field \"\($0)\"" }, { "type into \($0)" },
      { "put the cursor in the \($0) box" },
    ],
    "checkbox": [{ "tick \"\($0)\"" }, { "toggle the check box \($0)" }, { $0 }],
    "switch": [{ "turn the switch \"\($0)\"" }, { "toggle \($0)" }, { $0 }],
    "radio": [{ "choose the option \"\($0)\"" }, { "select \($0)" }],
    "dropdown": [{ "open the drop-down list \"\($0)\"" }, { "change \($0)" }],
    "tab": [{ "switch to the tab \"\($0)\"" }, { "open the \($0) tab" }, { $0 }],
    "slider": [{ "move the \($0) slider" }, { "click the slider \"\($0)\"" }],
    "menuitem": [{ "choose \"\($0)\" in the menu" }, { $0 }],
    "option": [{ "choose \"\($0)\"" }, { "select \($0)" }],
    "file": [{ "choose a file for \"\($0)\"" }],
    "color": [{ "choose the colour \"\($0)\"" }, { "change the \($0) colour" }],
  ]
}
