extension JSONValue {
  /// The first place, by its path of keys, where another value differs, with both values; nil if
  /// they say the same.
  ///
  /// Keys are compared in their order by name, numbers by their values.
  package func firstDifference(to other: JSONValue, at path: String = "") -> String? {
    if let old = objectValue, let new = other.objectValue {
      for key in Set(old.keys).union(new.keys).sorted() {
        let place = path.isEmpty ? key : path + "." + key
        let found = (old[key] ?? .null).firstDifference(to: new[key] ?? .null, at: place)
        if let found { return found }
      }
      return nil
    }
    if let old = doubleValue, let new = other.doubleValue, old == new { return nil }
    return self == other ? nil : "\(path): \(shortText) there, \(other.shortText) now"
  }

  /// The value as text, of which 60 characters are shown.
  private var shortText: String {
    let text = serialized()
    return text.count > 60 ? String(text.prefix(60)) + "…" : text
  }
}
