import Checkpoints
import Foundation
import TestSupport
import Testing
import Transformer

@Suite struct TokenFileWriterTests {
  @Test(arguments: [100, 256, 257, 70_000])
  func aFileThatIsWrittenInPiecesIsRead(_ vocabularyCount: Int) throws {
    try withTemporaryFolder { folder in
      let tokens = (0..<1000).map { Int32($0 * 7919 % vocabularyCount) }
      var files: [Data] = []
      for size in [1, 333, 1000] {
        let path = folder + "/\(size)"
        let writer = try TokenFileWriter(
          path: path,
          vocabularyCount: vocabularyCount,
          tokenizer: "a \"name\""
        )
        for start in stride(from: 0, to: tokens.count, by: size) {
          try writer.append(Array(tokens[start..<min(start + size, tokens.count)]))
        }
        #expect(writer.count == 1000)
        #expect(!FileManager.default.fileExists(atPath: path), "nothing is there before the end")
        try writer.finish()
        let file = try TokenFile(path: path)
        #expect(file[0..<file.count] == tokens)
        #expect(file.vocabularyCount == vocabularyCount && file.tokenizer == "a \"name\"")
        files.append(try Data(contentsOf: URL(filePath: path)))
      }
      #expect(files.allSatisfy { $0 == files[0] })
    }
  }

  @Test func aFileMayBeEmpty() throws {
    try withTemporaryFolder { folder in
      let writer = try TokenFileWriter(path: folder + "/x", vocabularyCount: 300, tokenizer: "")
      try writer.finish()
      #expect(try TokenFile(path: folder + "/x").count == 0)
    }
  }

  @Test func anUnfinishedFileLeavesNothing() throws {
    try withTemporaryFolder { folder in
      do {
        let writer = try TokenFileWriter(path: folder + "/x", vocabularyCount: 300, tokenizer: "")
        try writer.append([1, 2, 3])
      }
      #expect(try FileManager.default.contentsOfDirectory(atPath: folder).isEmpty)
    }
  }
}
