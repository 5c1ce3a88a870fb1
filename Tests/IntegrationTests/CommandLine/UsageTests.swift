import Foundation
import TestSupport
import Testing

/// What is typed wrongly, or names something that is not there, is refused in one sentence.
@Suite struct UsageTests {
  @Test(arguments: [
    [], ["inspect"], ["run"], ["eval"],
  ])
  func helpTeachesByExample(command: [String]) throws {
    let outcome = try Invocation(command + ["--help"])
    #expect(outcome.wait() == 0)
    #expect(outcome.output.contains("EXAMPLES\n  apus-quantize "))
    #expect(outcome.error.isEmpty)
  }

  @Test func helpShowsTheDefaults() throws {
    let help = try apusQuantize("run", "--help").output
    for text in ["default: 4", "default: 64", "default: group", "default: minmax"] {
      #expect(help.contains(text))
    }
    #expect(try apusQuantize("--version").output.contains("."))
  }

  @Test(arguments: [
    (["frob"], "unexpected argument 'frob'"),
    (["inspect"], "missing expected argument '<model>'"),
    (["run", "m"], "missing expected argument '--output <folder>'"),
    (["run", "m", "-o", "x", "--bits", "9"], "--bits: 9 bits cannot be packed; choose 1 to 8"),
    (["run", "m", "-o", "x", "--bits", "0"], "--bits: 0 bits cannot be packed; choose 1 to 8"),
    (["run", "m", "-o", "x", "--bits", "-4"], "--bits: -4 bits"),
    (["run", "m", "-o", "x", "--bits", "four"], "the value 'four' is invalid"),
    (["run", "m", "-o", "x", "--embedding-bits", "16"], "--embedding-bits: 16 bits"),
    (["run", "m", "-o", "x", "--group-size", "0"], "--group-size: a group of 0 weights"),
    (["run", "m", "-o", "x", "--granularity", "row"], "the value 'row' is invalid"),
    (
      ["run", "m", "-o", "x", "--granularity", "channel", "--group-size", "8"],
      "--group-size has no meaning"
    ),
    (["run", "m", "-o", "x", "--method", "magic"], "the value 'magic' is invalid"),
    (["run", "m", "-o", "x", "--planes", "3"], "--planes belongs to --method bcq"),
    (["run", "m", "-o", "x", "--method", "gptq", "--rounds", "1"], "--rounds belongs to --method"),
    (["run", "m", "-o", "x", "--method", "bcq", "--planes", "9"], "--planes: 9 binary planes"),
    (["run", "m", "-o", "x", "--method", "bcq", "--rounds", "-1"], "--rounds: -1 rounds"),
    (["run", "m", "-o", "x", "--method", "bcq", "--group-size", "0"], "--group-size: a group of"),
    (["run", "m", "-o", "x", "--method", "bcq", "--bits", "4"], "--bits has no meaning"),
    (["run", "m", "-o", "x", "--method", "bcq", "--scheme", "W4"], "--scheme has no meaning"),
    (["run", "m", "-o", "x", "--method", "bcq", "--range", "mse"], "--range has no meaning"),
    (["run", "m", "-o", "x", "--method", "bcq", "--symmetric"], "--symmetric has no meaning"),
    (
      ["run", "m", "-o", "x", "--method", "bcq", "--granularity", "tensor"],
      "--granularity tensor has no meaning"
    ),
    (
      ["run", "m", "-o", "x", "--method", "bcq", "--calibration", "t"],
      "--calibration has no meaning"
    ),
    (
      ["compare", "m", "-o", "x", "--evaluate", "t", "--methods", "rtn,bcq"],
      "--methods: 'bcq' is none of rtn, gptq"
    ),
    (["eval", "m"], "missing expected argument '--text <file>'"),
    (["eval", "m", "--text", "t", "--window", "1"], "--window 1 is too small"),
    (["eval", "m", "--text", "t", "--stride", "0"], "--stride 0 is too small"),
    (["eval", "m", "--text", "t", "--window", "8", "--stride", "9"], "--stride 9 skips tokens"),
    (["eval", "m", "--text", "t", "--max-windows", "0"], "--max-windows 0 is too small"),
  ])
  func wrongArgumentsAreRefused(arguments: [String], message: String) throws {
    let outcome = try Invocation(arguments)
    #expect(outcome.wait() == 64)
    #expect(outcome.output.isEmpty)
    let lines = outcome.error.split(separator: "\n")
    // A value out of a longer list is answered with the list.
    let others = lines.dropFirst().dropLast()
    #expect(others.allSatisfy { $0.contains("- ") }, "\(outcome.error)")
    #expect(lines.first?.hasPrefix("apus-quantize: " + message) == true, "\(outcome.error)")
    #expect(lines.last?.hasPrefix("see 'apus-quantize") == true)
  }

  @Test func generatingTeachesByExample() throws {
    let outcome = try apusGenerate("--help")
    #expect(outcome.status == 0 && outcome.error.isEmpty)
    #expect(outcome.output.contains("EXAMPLES\n  apus-generate "))
    let none = try apusGenerate("/nowhere", "p")
    #expect(none.status == 1 && none.output.isEmpty)
    #expect(none.error.hasPrefix("apus-generate: ") && none.error.contains("/nowhere"))
    #expect(none.errorLines.count == 1, "\(none.error)")
  }

  @Test(arguments: [
    (["m"], "missing expected argument '<prompts>'"),
    (["m", "p", "--tokens", "0"], "--tokens 0 writes nothing"),
    (["m", "p", "--temperature", "-1"], "--temperature -1.0 is out of range"),
    (["m", "p", "--temperature", "nan"], "--temperature nan is out of range"),
    (
      ["m", "p", "--temperature", "1", "--top-p", "1.5"], "--top-p 1.5 is out of range"
    ),
    (
      ["m", "p", "--top-k", "5"],
      "--top-k, --top-p and --min-p have no meaning at temperature 0"
    ),
    (["m", "p", "--min-p", "2"], "--min-p 2.0 is out of range"),
    (["m", "p", "--repetition-penalty", "0"], "--repetition-penalty 0.0 is out of"),
    (["m", "p", "--stop", ""], "--stop needs a text"),
    (["m", "p", "--system", "s"], "--system and --set belong to conversations"),
    (["m", "--chat", "--set", "a"], "--set a: write it as name=value"),
    (["m", "--chat", "--json"], "--json needs a prompt"),
    (["m", "p", "--chat", "--raw"], "--raw has no meaning with --chat"),
    (["m", "p", "--bench"], "--bench reads and writes tokens of its own"),
    (["m", "p", "--threads", "1", "--threads", "2"], "--threads is repeated"),
    (["m", "p", "--threads", "0"], "--threads 0 is too small"),
    (["m", "--bench", "--repetitions", "0"], "--repetitions 0 is too small"),
    (["m", "p", "--bench-depth", "9"], "--bench-prompt, --bench-tokens, --bench-depth and"),
    (["m", "--bench", "--bench-prompt", "0", "--bench-tokens", "0"], "--bench-prompt and"),
    (["m", "--bench", "--bench-depth", "-1"], "--bench-depth -1 is too small"),
    (["m", "p", "--kv-bits", "4"], "the value '4' is invalid"),
    (["m", "--chat", "--also", "n"], "a conversation has one model"),
  ])
  func wrongWishesForTextsAreRefused(arguments: [String], message: String) throws {
    let outcome = try Invocation(arguments, of: "apus-generate")
    #expect(outcome.wait() == 64)
    #expect(outcome.output.isEmpty)
    let lines = outcome.error.split(separator: "\n")
    #expect(lines.first?.hasPrefix("apus-generate: " + message) == true, "\(outcome.error)")
    #expect(lines.last == "see 'apus-generate --help'")
  }

  @Test(arguments: [
    ["inspect", "/nowhere"], ["run", "/nowhere", "-o", "/tmp/apus-none"],
    ["inspect", "/dev/null"],
  ])
  func whatIsNoModelIsRefused(arguments: [String]) throws {
    let outcome = try Invocation(arguments)
    #expect(outcome.wait() == 1)
    #expect(outcome.output.isEmpty)
    #expect(outcome.error.hasPrefix("apus-quantize: "))
    #expect(outcome.error.contains(arguments[1]))
    #expect(outcome.error.split(separator: "\n").count == 1, "\(outcome.error)")
  }

  @Test func textsThatAreNoneAreRefused() throws {
    try withTinyModel { model, folder in
      func refusal(_ text: String) throws -> String {
        let outcome = try apusQuantize("eval", model, "--text", text)
        #expect(outcome.status == 1 && outcome.output.isEmpty)
        #expect(outcome.errorLines.count == 1, "\(outcome.error)")
        return outcome.error
      }
      try Data().write(to: URL(filePath: folder + "/empty"))
      try Data(" \n\t".utf8).write(to: URL(filePath: folder + "/blank"))
      try Data([0x61, 0x62, 0xFF, 0x63]).write(to: URL(filePath: folder + "/latin"))
      try Data("a".utf8).write(to: URL(filePath: folder + "/short"))
      #expect(try refusal(folder + "/empty").contains("is empty"))
      #expect(try refusal(folder + "/blank").contains("is empty"))
      #expect(try refusal(folder + "/latin").contains("is not UTF-8 (byte 2)"))
      #expect(try refusal(folder + "/none").contains("no such file"))
      #expect(try refusal(folder).contains("is a folder"))
      let short = try apusQuantize("eval", model, "--no-bos", "--text", folder + "/short")
      #expect(short.status == 1 && short.error.contains("at least 2 are needed"))
    }
  }

  @Test func aWindowBeyondTheContextIsRefused() throws {
    try withTinyModel { model, folder in
      try Data("some text".utf8).write(to: URL(filePath: folder + "/text"))
      let outcome = try apusQuantize("eval", model, "--text", folder + "/text", "--window", "129")
      #expect(outcome.status == 64)
      #expect(outcome.error.contains("--window 129 exceeds the context"))
    }
  }
}
