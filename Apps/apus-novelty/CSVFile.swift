import Checkpoints
import Foundation
import Support
import Tensor

/// A table of numbers as text: commas, semicolons or tabs between columns, perhaps quotes, perhaps
/// titles in the first line.
struct CSVFile {
  let path: String
  private(set) var titles: [String]?
  private(set) var numbers: [Float] = []
  private(set) var labels: [String] = []
  /// The columns of numbers.
  private(set) var columnCount = 0
  private(set) var rowCount = 0
  private var labelPlace: Int?

  /// Reads a table.
  ///
  /// - Parameters:
  ///   - path: the file.
  ///   - labelColumn: the column that holds no number but the label: its title or its number from 1.
  /// - Throws: `CommandFailure` with line and column.
  init(path: String, labelColumn: String?) throws {
    self.path = path
    let file: MappedFile
    do throws(CheckpointError) { file = try MappedFile(path: path, mode: .inMemory) } catch {
      throw CommandFailure("\(error)")
    }
    var bytes = file.bytes[...]
    if bytes.starts(with: [0xEF, 0xBB, 0xBF]) { bytes = bytes.dropFirst(3) }
    var separator: UInt8?
    var width: Int?
    let lines = bytes.split(separator: 0x0A, omittingEmptySubsequences: false)
    for (index, line) in lines.enumerated() {
      let line = line.last == 0x0D ? line.dropLast() : line
      if line.allSatisfy({ $0 == 0x20 || $0 == 0x09 }) { continue }
      let mark = separator ?? Self.separator(of: line)
      separator = mark
      let fields = try Self.fields(of: line, mark, path, index + 1)
      if let width, fields.count != width {
        throw fault(index + 1, "\(fields.count) columns, \(width) in the lines above")
      }
      if width == nil {
        width = fields.count
        labelPlace = try place(of: labelColumn, fields)
        columnCount = fields.count - (labelPlace == nil ? 0 : 1)
        if Self.isTitles(fields, labelPlace, labelColumn) {
          titles = fields
          continue
        }
      }
      try add(fields, line: index + 1)
    }
    guard rowCount > 0 else { throw CommandFailure("\(path): no rows of numbers") }
    guard columnCount > 0 else { throw CommandFailure("\(path): no columns of numbers") }
  }

  var values: Tensor<Float> { Tensor(numbers, shape: [rowCount, columnCount]) }

  private mutating func add(_ fields: [String], line: Int) throws {
    for (column, field) in fields.enumerated() {
      if column == labelPlace {
        guard !field.isEmpty else { throw fault(line, "column \(column + 1): the label is empty") }
        labels.append(field)
        continue
      }
      guard let number = Float(field) else {
        let text = field.isEmpty ? "is empty" : "'\(field.prefix(40))' is no number"
        throw fault(line, "column \(column + 1)\(title(column)): \(text)")
      }
      guard number.isFinite else {
        throw fault(line, "column \(column + 1)\(title(column)): \(field) is not finite")
      }
      numbers.append(number)
    }
    rowCount += 1
  }

  private func title(_ column: Int) -> String { titles.map { " (\($0[column]))" } ?? "" }

  private func fault(_ line: Int, _ reason: String) -> CommandFailure {
    CommandFailure("\(path), line \(line): \(reason)")
  }

  private func place(of column: String?, _ first: [String]) throws -> Int? {
    guard let column else { return nil }
    if let place = first.firstIndex(of: column) { return place }
    if let number = Int(column), (1...first.count).contains(number) { return number - 1 }
    throw CommandFailure(
      "\(path): no column \(column) among \(first.count); the first line has "
        + first.prefix(12).joined(separator: ", ")
    )
  }

  /// Whether the first line names the columns.
  private static func isTitles(_ fields: [String], _ label: Int?, _ column: String?) -> Bool {
    if let label, fields[label] == column, Int(fields[label]) == nil { return true }
    return !fields.isEmpty
      && fields.indices.allSatisfy { $0 == label || Float(fields[$0]) == nil }
      && fields.indices.contains { $0 != label }
  }

  private static func separator(of line: Slice<UnsafeRawBufferPointer>) -> UInt8 {
    let marks = [UInt8(ascii: ","), UInt8(ascii: ";"), UInt8(ascii: "\t")]
    return marks.max { a, b in
      line.count { $0 == a } < line.count { $0 == b }
    } ?? marks[0]
  }

  /// The fields of a line, without the spaces around them and without quotes.
  private static func fields(
    of line: Slice<UnsafeRawBufferPointer>,
    _ separator: UInt8,
    _ path: String,
    _ number: Int
  ) throws -> [String] {
    let quote = UInt8(ascii: "\"")
    var (fields, field, isQuoted, wasQuoted) = ([String](), [UInt8](), false, false)
    func finished() throws -> String {
      guard let text = String(validating: field, as: UTF8.self) else {
        throw CommandFailure("\(path), line \(number): it is not UTF-8")
      }
      return wasQuoted ? text : text.trimmingCharacters(in: .whitespaces)
    }
    for byte in line {
      if byte == quote {
        // A doubled quote inside quotes is one of the text.
        if !isQuoted && wasQuoted { field.append(quote) }
        (isQuoted, wasQuoted) = (!isQuoted, true)
      } else if byte == separator && !isQuoted {
        fields.append(try finished())
        (field, wasQuoted) = ([], false)
      } else {
        field.append(byte)
      }
    }
    guard !isQuoted else {
      throw CommandFailure("\(path), line \(number): a quote does not end in its line")
    }
    fields.append(try finished())
    return fields
  }
}
