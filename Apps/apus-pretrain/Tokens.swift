import ArgumentParser
import Checkpoints
import Foundation
import Support
import Transformer

/// The texts that a model is trained on: packed token files.
struct TokenArguments: ParsableArguments {
  @Argument(help: "Files that 'tokenize' has written.")
  var tokens: [String]

  @Option(
    help: ArgumentHelp(
      "A packed file for validation; without one the end of the first file is held back.",
      valueName: "file"
    )
  )
  var validation: String?

  @Option(help: "The part of the first file that is held back.")
  var holdOut = 0.05

  func validate() throws {
    guard holdOut > 0, holdOut < 1 else {
      throw ValidationError("--hold-out must lie between 0 and 1")
    }
  }

  func load() throws -> (training: [TokenFile], validation: TokenFile) {
    var files = try tokens.map(Self.open)
    let all = try files + (validation.map { [try Self.open($0)] } ?? [])
    if let odd = all.first(where: { $0.tokenizer != all[0].tokenizer }) {
      throw CommandFailure(
        "\(odd.path) and \(all[0].path) were made by different tokenizers; tokenize both with one"
      )
    }
    guard validation == nil else { return (files, all[all.count - 1]) }
    let (training, held) = files[0].split(holdingBack: holdOut)
    files[0] = training
    return (files, held)
  }

  private static func open(_ path: String) throws -> TokenFile {
    do { return try TokenFile(path: path) } catch {
      guard FileManager.default.fileExists(atPath: path) else { throw error }
      throw CommandFailure(
        "\(path) is no file of packed tokens; make one out of a text with 'apus-pretrain tokenize' "
          + "(\(error))"
      )
    }
  }
}
