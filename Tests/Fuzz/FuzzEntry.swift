import Foundation

// What libFuzzer calls, and how it begins.

/// What runs all inputs, of libFuzzer.
@_silgen_name("LLVMFuzzerRunDriver")
private func runDriver(
  _ argumentCount: UnsafeMutablePointer<CInt>,
  _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>>,
  _ body: @convention(c) (_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt
) -> CInt

/// The start of the program where SwiftPM calls it so, as on Linux; elsewhere libFuzzer has its own.
@_cdecl("apus_fuzz_main")
public func start(
  _ argumentCount: CInt,
  _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>
) -> CInt {
  var (argumentCount, arguments) = (argumentCount, arguments)
  return runDriver(&argumentCount, &arguments) { testOneInput($0, $1) }
}

/// Runs before anything else: `list`, `seed FOLDER` and `try FILE` end the program.
@_cdecl("LLVMFuzzerInitialize")
public func initialize(
  _ argumentCount: UnsafeMutablePointer<CInt>,
  _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>>
) -> CInt {
  let words = CommandLine.arguments.dropFirst()
  if words.first == "list" {
    print(FuzzTarget.all.map(\.name).joined(separator: "\n"))
    exit(0)
  }
  let target = FuzzTarget.chosen
  if words.first == "seed", let folder = words.dropFirst().first {
    do { try target.writeSeeds(to: folder) } catch { stop("\(target.name): \(error)") }
    exit(0)
  }
  if words.first == "try", let path = words.dropFirst().first {
    do {
      try target.read([UInt8](Data(contentsOf: URL(filePath: path))))
      print("sound")
    } catch {
      print("\(error)")
    }
    exit(0)
  }
  return 0
}

/// Reads one input; what the reader throws is an answer, which must have a text.
@_cdecl("LLVMFuzzerTestOneInput")
public func testOneInput(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
  let bytes = Array(UnsafeBufferPointer(start: start, count: count))
  do { try FuzzTarget.chosen.read(bytes) } catch {
    demand(!"\(error)".isEmpty, "an error without a text")
  }
  return 0
}

/// Ends the program, with a reason on standard error.
func stop(_ reason: String) -> Never {
  FileHandle.standardError.write(Data("apus-fuzz: \(reason)\n".utf8))
  exit(2)
}

/// What must hold of everything that was read; a finding where it does not.
func demand(_ condition: Bool, _ reason: @autoclosure () -> String) {
  if !condition { fatalError(reason()) }
}
