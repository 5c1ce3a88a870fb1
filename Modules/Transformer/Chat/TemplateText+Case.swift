extension TemplateText {
  static func uppercased(_ text: String) -> String {
    mapped(text) { scalar, _ in scalar.properties.uppercaseMapping }
  }

  static func lowercased(_ text: String) -> String {
    let scalars = Array(text.unicodeScalars)
    return mapped(text) { scalar, index in lowercased(scalar, at: index, of: scalars) }
  }

  /// The first letter large, the others small.
  static func capitalized(_ text: String) -> String {
    let scalars = Array(text.unicodeScalars)
    return mapped(text) { scalar, index in
      index == 0
        ? scalar.properties.titlecaseMapping : lowercased(scalar, at: index, of: scalars)
    }
  }

  /// The first letter of each word large, the others small: words are rows of letters.
  static func titled(_ text: String) -> String {
    let scalars = Array(text.unicodeScalars)
    var isInside = false
    return mapped(text) { scalar, index in
      defer { isInside = scalar.properties.isCased }
      return isInside
        ? lowercased(scalar, at: index, of: scalars) : scalar.properties.titlecaseMapping
    }
  }

  /// The same as Jinja's filter has it: words stand between spaces, hyphens and open brackets.
  static func titledByJinja(_ text: String) -> String {
    var words: [[Unicode.Scalar]] = [[]]
    var wasMark = false
    for scalar in text.unicodeScalars {
      let isMark = isSpace(scalar) || "-({[<".unicodeScalars.contains(scalar)
      if isMark != wasMark { words.append([]) }
      words[words.count - 1].append(scalar)
      wasMark = isMark
    }
    return words.map { word in
      guard let first = word.first else { return "" }
      return first.properties.uppercaseMapping + lowercased(String(scalars: word.dropFirst()))
    }
    .joined()
  }

  private static func mapped(
    _ text: String,
    _ change: (Unicode.Scalar, Int) -> String
  ) -> String {
    var result = ""
    for (index, scalar) in text.unicodeScalars.enumerated() { result += change(scalar, index) }
    return result
  }

  /// A small letter; a sigma at the end of a word has a form of its own.
  private static func lowercased(
    _ scalar: Unicode.Scalar,
    at index: Int,
    of scalars: [Unicode.Scalar]
  ) -> String {
    guard scalar == "\u{3A3}" else { return scalar.properties.lowercaseMapping }
    let before = scalars[..<index].last { !$0.properties.isCaseIgnorable }
    let after = scalars[(index + 1)...].first { !$0.properties.isCaseIgnorable }
    let isLast = before?.properties.isCased == true && after?.properties.isCased != true
    return isLast ? "\u{3C2}" : "\u{3C3}"
  }

  /// The answer of `isdigit` and its like; nil if there is none of that name.
  static func test(_ name: String, _ text: String) -> Bool? {
    let scalars = text.unicodeScalars
    func all(_ isPart: (Unicode.Scalar) -> Bool) -> Bool {
      !scalars.isEmpty && scalars.allSatisfy(isPart)
    }
    switch name {
    case "isalpha": return all(isLetter)
    case "isdigit": return all(isDigit)
    case "isdecimal": return all { $0.properties.numericType == .decimal }
    case "isnumeric": return all { $0.properties.numericType != nil }
    case "isalnum": return all { isLetter($0) || $0.properties.numericType != nil }
    case "isspace": return all(isSpace)
    case "isascii": return scalars.allSatisfy(\.isASCII)
    case "isupper", "islower":
      let wanted = name == "isupper"
      var isCased = false
      for scalar in scalars {
        let (isUpper, isLower) = (scalar.properties.isUppercase, scalar.properties.isLowercase)
        let isTitle = scalar.properties.generalCategory == .titlecaseLetter
        if isTitle || (wanted ? isLower : isUpper) { return false }
        if wanted ? isUpper : isLower { isCased = true }
      }
      return isCased
    default: return nil
    }
  }

  private static func isLetter(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar.properties.generalCategory {
    case .uppercaseLetter, .lowercaseLetter, .titlecaseLetter, .modifierLetter, .otherLetter: true
    default: false
    }
  }

  private static func isDigit(_ scalar: Unicode.Scalar) -> Bool {
    scalar.properties.numericType == .decimal || scalar.properties.numericType == .digit
  }
}
