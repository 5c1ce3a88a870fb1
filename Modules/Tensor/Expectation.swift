/// Stops with `message` unless `condition` holds: the programmer broke a contract.
///
/// `precondition` drops its message in release builds; a shape error without the shapes is useless.
@inlinable
package func expect(
  _ condition: Bool,
  _ message: @autoclosure () -> String,
  file: StaticString = #fileID,
  line: UInt = #line
) {
  if !condition { fatalError(message(), file: file, line: line) }
}
