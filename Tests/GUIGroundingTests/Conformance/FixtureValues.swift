import Checkpoints
import Foundation
import GUIGrounding
import Tensor
import TestSupport
import Testing

/// Reading the values of JSON fixtures; a missing one fails the test that asks for it.
extension JSONValue {
  /// The cases of a fixture file that is a list.
  static func cases(_ name: String) throws -> [JSONValue] {
    try #require(JSONValue.read(Fixtures.file("gui/" + name)).arrayValue, "\(name)")
  }

  func double(_ key: String) throws -> Double {
    try #require(self[key]?.doubleValue, "\(key) of \(self)")
  }

  func int(_ key: String) throws -> Int { try #require(self[key]?.intValue, "\(key) of \(self)") }

  func string(_ key: String) throws -> String {
    try #require(self[key]?.stringValue, "\(key) of \(self)")
  }

  func bool(_ key: String) throws -> Bool {
    try #require(self[key]?.boolValue as Bool?, "\(key) of \(self)")
  }

  func list(_ key: String) throws -> [JSONValue] {
    try #require(self[key]?.arrayValue, "\(key) of \(self)")
  }

  func numbers() throws -> [Double] {
    try #require(arrayValue).map { try #require($0.doubleValue, "\(self)") }
  }

  func point() throws -> GroundingPoint {
    let numbers = try numbers()
    try #require(numbers.count == 2)
    return GroundingPoint(x: numbers[0], y: numbers[1])
  }

  func box() throws -> GroundingBox {
    let numbers = try numbers()
    try #require(numbers.count == 4)
    return GroundingBox(x0: numbers[0], y0: numbers[1], x1: numbers[2], y1: numbers[3])
  }

  func size(_ key: String) throws -> PixelSize {
    let numbers = try #require(self[key]).numbers()
    try #require(numbers.count == 2)
    return PixelSize(width: Int(numbers[0]), height: Int(numbers[1]))
  }

  /// Corners x0, y0, x1, y1 in whole pixels.
  func rect(_ key: String) throws -> PixelRect {
    let n = try #require(self[key]).numbers().map { Int($0) }
    try #require(n.count == 4)
    return PixelRect(x: n[0], y: n[1], width: n[2] - n[0], height: n[3] - n[1])
  }
}

/// Expects two points to agree to 1e-9 of their size.
func expectClose(
  _ found: GroundingPoint?,
  _ expected: GroundingPoint?,
  absolute: Double = 1e-9,
  _ comment: String = "",
  sourceLocation: SourceLocation = #_sourceLocation
) {
  guard let found, let expected else {
    #expect(found == nil && expected == nil, "\(comment)", sourceLocation: sourceLocation)
    return
  }
  TestSupport.expectClose(
    [found.x, found.y],
    [expected.x, expected.y],
    relative: 1e-12,
    absolute: absolute,
    comment,
    sourceLocation: sourceLocation
  )
}

/// Expects two boxes to agree to 1e-9.
func expectClose(
  _ found: GroundingBox?,
  _ expected: GroundingBox?,
  absolute: Double = 1e-9,
  _ comment: String = "",
  sourceLocation: SourceLocation = #_sourceLocation
) {
  guard let found, let expected else {
    #expect(found == nil && expected == nil, "\(comment)", sourceLocation: sourceLocation)
    return
  }
  TestSupport.expectClose(
    [found.x0, found.y0, found.x1, found.y1],
    [expected.x0, expected.y0, expected.x1, expected.y1],
    relative: 1e-12,
    absolute: absolute,
    comment,
    sourceLocation: sourceLocation
  )
}
