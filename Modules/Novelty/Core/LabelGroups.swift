import Tensor

/// The rows of each class, classes in the order of their labels.
struct LabelGroups {
  /// The labels, ascending.
  let labels: [Int32]
  /// The rows of each label, ascending.
  let rows: [[Int]]

  init(_ labels: [Int32]) {
    var groups: [Int32: [Int]] = [:]
    for (row, label) in labels.enumerated() { groups[label, default: []].append(row) }
    self.labels = groups.keys.sorted()
    rows = self.labels.map { groups[$0] ?? [] }
  }

  /// One class of all rows.
  init(count: Int) {
    labels = [0]
    rows = [Array(0..<count)]
  }

  /// Throws when a class has fewer than `needed` samples.
  func check(atLeast needed: Int, _ operation: String) throws(NoveltyError) {
    for (label, rows) in zip(labels, rows) where rows.count < needed {
      throw .tooFewSamples(operation: operation, label: label, found: rows.count, needed: needed)
    }
  }
}
