public import Tensor

/// A color of eight bits a channel.
public struct ClassColor: Codable, Hashable, Sendable {
  /// The channels, 0…255.
  public var red, green, blue: UInt8

  /// A color of these channels.
  public init(_ red: UInt8, _ green: UInt8, _ blue: UInt8) {
    (self.red, self.green, self.blue) = (red, green, blue)
  }

  /// The color as a web page writes it: `#6496f5`.
  public var hexadecimal: String {
    "#" + [red, green, blue].map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
  }
}

/// How the raw labels of a data set become the classes that a model learns.
///
/// Class 0 is what no model learns: background, unlabeled, everything the map does not know. A
/// network has an output for each other class: class = output + 1.
public struct LabelMap: Hashable, Sendable {
  /// A name for reports: `common/semantickitti`.
  public let name: String
  /// The classes; the first is the ignored one.
  public let classNames: [String]
  /// The color of each class.
  public let classColors: [ClassColor]
  /// The raw labels of each class, in rising order.
  public let rawIDs: [[Int32]]
  /// The raw label that a prediction of each class is written as.
  public let inverse: [Int32]
  /// The class of each raw label.
  private let table: [Int32]

  /// A map of raw labels.
  ///
  /// - Parameters:
  ///   - name: a name for reports.
  ///   - classes: name, color, and raw labels of each class; the first is the ignored one. The first
  ///     raw label of a class stands for it in predictions.
  public init(
    name: String,
    classes: [(name: String, color: ClassColor, raw: [Int32])]
  ) {
    self.name = name
    classNames = classes.map(\.name)
    classColors = classes.map(\.color)
    rawIDs = classes.map { $0.raw.sorted() }
    inverse = classes.map { $0.raw.first ?? 0 }
    var table = [Int32](repeating: 0, count: Int(classes.flatMap(\.raw).max() ?? 0) + 1)
    for (index, item) in classes.enumerated() {
      for raw in item.raw {
        expect(raw >= 0 && raw <= 0xFFFF, "label map \(name): raw label \(raw), expected 16 bits")
        expect(table[Int(raw)] == 0, "label map \(name): raw label \(raw) is in two classes")
        table[Int(raw)] = Int32(index)
      }
    }
    self.table = table
  }

  /// The number of classes, the ignored one included.
  public var classCount: Int { classNames.count }

  /// The class of each raw label; 0 for labels that the map does not know.
  public func classes(of raw: Tensor<Int32>) -> Tensor<Int32> {
    raw.mapped { label in
      label >= 0 && Int(label) < table.count ? table[Int(label)] : 0
    }
  }

  /// The raw label that stands for each class: what predictions are written as.
  public func rawLabels(of classes: Tensor<Int32>) -> Tensor<Int32> {
    classes.mapped { item in inverse[checked(item)] }
  }

  /// The color of each class.
  public func colors(of classes: Tensor<Int32>) -> [ClassColor] {
    classes.elements.map { classColors[checked($0)] }
  }

  /// The raw labels that the map does not know, rising: labels of another data set, most likely.
  public func unknownLabels(in raw: Tensor<Int32>) -> [Int32] {
    let known = Set(rawIDs.joined())
    return Set(raw.elements).subtracting(known).sorted()
  }

  private func checked(_ item: Int32) -> Int {
    expect(
      item >= 0 && Int(item) < classCount,
      "label map \(name): class \(item), expected 0 to \(classCount - 1)"
    )
    return Int(item)
  }
}

extension LabelMap: CustomStringConvertible {
  /// The name.
  public var description: String { name }
}

extension Tensor<Int32> {
  fileprivate func mapped(_ value: (Int32) -> Int32) -> Tensor {
    Tensor(uninitialized: shape) { target in
      withUnsafeElements { source in
        for index in source.indices { target[index] = value(source[index]) }
      }
    }
  }
}
