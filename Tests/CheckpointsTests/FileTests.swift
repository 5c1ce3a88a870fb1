import Checkpoints
import Foundation
import Tensor
import TestSupport
import Testing

@Suite struct FileTests {
  private func names(_ folder: String) throws -> [String] {
    try FileManager.default.contentsOfDirectory(atPath: folder).sorted()
  }

  @Test(arguments: [MappedFile.Mode.mapped, .inMemory])
  func readsFiles(_ mode: MappedFile.Mode) throws {
    try withTemporaryFolder { folder in
      let path = folder + "/x"
      try AtomicFile.write([], to: path)
      #expect(try MappedFile(path: path, mode: mode).bytes.isEmpty)
      try AtomicFile.write("hello", to: path)
      let file = try MappedFile(path: path, mode: mode)
      file.advise(.sequential)
      file.advise(.done, range: 1..<900)
      #expect(Array(file.bytes) == Array("hello".utf8))
      #expect(throws: CheckpointError.unreadable(path: folder, .isFolder)) {
        try MappedFile(path: folder, mode: mode)
      }
      #expect(throws: CheckpointError.unreadable(path: path + "y", .missing)) {
        try MappedFile(path: path + "y", mode: mode)
      }
      #expect(throws: CheckpointError.unreadable(path: path + "/y", .missing)) {
        try MappedFile(path: path + "/y", mode: mode)
      }
      #expect(throws: CheckpointError.unreadable(path: "/dev/null", .isNotRegular)) {
        try MappedFile(path: "/dev/null", mode: mode)
      }
      mkfifo(folder + "/pipe", 0o600)
      #expect(throws: CheckpointError.unreadable(path: folder + "/pipe", .isNotRegular)) {
        try MappedFile(path: folder + "/pipe", mode: mode)
      }
    }
  }

  @Test func replacesFilesAndKeepsPermissionsAndLinks() throws {
    try withTemporaryFolder { folder in
      let path = folder + "/x"
      try AtomicFile.write("1", to: path)
      chmod(path, 0o640)
      symlink("x", folder + "/link")
      try AtomicFile.write("2", to: folder + "/link")
      #expect(try String(contentsOfFile: path, encoding: .utf8) == "2")
      let attributes = try FileManager.default.attributesOfItem(atPath: path)
      #expect(attributes[.posixPermissions] as? Int == 0o640)
      #expect(try names(folder) == ["link", "x"])
    }
  }

  @Test func unfinishedFilesVanish() throws {
    try withTemporaryFolder { folder in
      let path = folder + "/x"
      try AtomicFile.write("old", to: path)
      do {
        let file = try AtomicFile(path: path, reserving: 100)
        try "new".utf8.withContiguousStorageIfAvailable {
          try file.append(UnsafeRawBufferPointer($0))
        }
        #expect(try names(folder).count == 2)
        #expect(try names(folder).contains { $0.hasPrefix(".x.") && $0.hasSuffix(".apus-tmp") })
      }
      #expect(try names(folder) == ["x"])
      #expect(try String(contentsOfFile: path, encoding: .utf8) == "old")
    }
  }

  @Test func refusesTargetsThatAreNoFiles() throws {
    try withTemporaryFolder { folder in
      #expect(throws: CheckpointError.unwritable(path: folder, .isFolder)) {
        try AtomicFile.write("x", to: folder)
      }
      #expect(throws: CheckpointError.unwritable(path: folder + "/no/x", .missing)) {
        try AtomicFile.write("x", to: folder + "/no/x")
      }
      #expect(throws: CheckpointError.unwritable(path: "/dev/full", .isNotRegular)) {
        try AtomicFile.write("x", to: "/dev/full")
      }
    }
  }

  @Test func refusesFoldersThatAreNotWritable() async throws {
    await #expect(processExitsWith: .success) {
      try withTemporaryFolder { folder in
        chmod(folder, 0o500)
        defer { chmod(folder, 0o700) }
        // Root may write anywhere: become somebody else, in this process only.
        if getuid() == 0 {
          chown(folder, 65534, 65534)
          try #require(setuid(65534) == 0)
        }
        #expect(throws: CheckpointError.unwritable(path: folder + "/x", .notPermitted)) {
          try AtomicFile.write("x", to: folder + "/x")
        }
      }
    }
  }

  @Test(arguments: [true, false])
  func fullDiskGivesOneErrorAndLeavesNothing(_ atStart: Bool) async throws {
    // A limit on file sizes fails at the same system calls as a full disk.
    await #expect(processExitsWith: .success) { [atStart] in
      try withTemporaryFolder { folder in
        signal(SIGXFSZ, SIG_IGN)
        var limit = rlimit(rlim_cur: 100_000, rlim_max: 100_000)
        #if os(Linux)
          try #require(setrlimit(__rlimit_resource_t(RLIMIT_FSIZE.rawValue), &limit) == 0)
        #else
          try #require(setrlimit(RLIMIT_FSIZE, &limit) == 0)
        #endif
        let path = folder + "/x.safetensors"
        let tensor = Tensor<Float>.zeros([100, 1000])
        #expect(throws: CheckpointError.unwritable(path: path, .noSpace)) {
          if atStart {
            try SafetensorsFile.write(["w": tensor], to: path)
          } else {
            try tensor.withUnsafeElements { elements in
              try AtomicFile(path: path).append(UnsafeRawBufferPointer(elements))
            }
          }
        }
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder).isEmpty)
      }
    }
  }

  @Test func interruptedProcessLeavesNothing() async throws {
    await #expect(processExitsWith: .success) {
      try withTemporaryFolder { folder in
        let path = folder + "/x.safetensors"
        let tensor = Tensor<Float>.zeros([1000])
        let writer = try SafetensorsWriter(
          path: path,
          tensors: ["a", "b"].map {
            SafetensorsDeclaration(name: $0, type: .float32, shape: [1000])
          }
        )
        try writer.write(tensor, named: "a")
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder).count == 1)
        AtomicFile.removePendingFiles()
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder).isEmpty)
        try writer.write(tensor, named: "b")
        #expect(throws: CheckpointError.unwritable(path: path, .interrupted)) {
          try writer.finish()
        }
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder).isEmpty)
      }
    }
  }

  @Test func writerDemandsEveryDeclaredTensorOnce() throws {
    try withTemporaryFolder { folder in
      let path = folder + "/x.safetensors"
      let declaration = SafetensorsDeclaration(name: "a", type: .float32, shape: [1])
      let writer = try SafetensorsWriter(path: path, tensors: [declaration])
      #expect(throws: CheckpointError.missingTensor(path: path, name: "b", near: [])) {
        try writer.write(Tensor<Float>([1], shape: [1]), named: "b")
      }
      #expect(
        throws: CheckpointError.malformed(
          path: path,
          tensor: "a",
          offset: nil,
          reason: "was declared but not written"
        )
      ) {
        try writer.finish()
      }
      #expect(
        throws: CheckpointError.malformed(
          path: path,
          tensor: "a",
          offset: nil,
          reason: "is declared twice"
        )
      ) {
        try SafetensorsWriter(path: path, tensors: [declaration, declaration])
      }
      // Each shape can be counted, their sum cannot.
      let huge = ["a", "b", "c", "d"].map { name in
        SafetensorsDeclaration(name: name, type: .float64, shape: [1 << 58])
      }
      #expect(throws: CheckpointError.self) {
        _ = try SafetensorsWriter(path: path, tensors: huge)
      }
      #expect(try names(folder).isEmpty)
    }
  }
}

@Suite struct AtomicFolderTests {
  private func names(_ folder: String) throws -> [String] {
    try FileManager.default.contentsOfDirectory(atPath: folder).sorted()
  }

  @Test func aFileIsNoPlaceForAFolder() throws {
    try withTemporaryFolder { folder in
      try AtomicFile.write("x", to: folder + "/file")
      let problem = FileProblem.system(
        code: ENOTDIR,
        text: "a file stands where a folder should"
      )
      let path = folder + "/file/model"
      #expect(throws: CheckpointError.unwritable(path: path, problem)) {
        try AtomicFolder(path: path)
      }
      #expect(throws: CheckpointError.unwritable(path: path + "/a", .missing)) {
        try AtomicFolder(path: path + "/a")
      }
      #expect(try names(folder) == ["file"])
    }
  }

  @Test func givingUpRemovesTheParentsThatWereMade() throws {
    try withTemporaryFolder { folder in
      do {
        let output = try AtomicFolder(path: folder + "/a/b/model")
        try AtomicFile.write("x", to: output.file("config.json"))
      }
      #expect(try names(folder).isEmpty)
      do {
        let output = try AtomicFolder(path: folder + "/a/b/model")
        try AtomicFile.write("x", to: output.file("config.json"))
        try output.commit()
      }
      #expect(try names(folder + "/a/b") == ["model"])
    }
  }

  @Test func appearsCompleteOrNotAtAll() throws {
    try withTemporaryFolder { folder in
      let path = folder + "/a/model"
      do {
        let target = try AtomicFolder(path: path)
        try AtomicFile.write("1", to: target.file("x"))
        #expect(try names(folder + "/a").count == 1)
      }
      #expect(try names(folder).isEmpty)
      let target = try AtomicFolder(path: path + "/")
      try AtomicFile.write("1", to: target.file("x"))
      try target.commit()
      #expect(try names(folder + "/a") == ["model"])
      #expect(throws: CheckpointError.self) { try AtomicFolder(path: path) }
      let second = try AtomicFolder(path: path, replacing: true)
      try AtomicFile.write("2", to: second.file("y"))
      try second.commit()
      #expect(try names(folder + "/a") == ["model"])
      #expect(try names(path) == ["y"])
    }
  }

  /// A process of this number does not exist: it was killed.
  @Test func whatKilledProcessesLeftOfTheSameFolderGoes() throws {
    try withTemporaryFolder { folder in
      let (torn, old) = (".model.2147483647-1.apus-tmp", ".model.2147483647-2.apus-tmp-old")
      let others = [".model.\(getppid())-1.apus-tmp", ".models.2147483647-1.apus-tmp"]
      for name in [torn, old] + others {
        try FileManager.default.createDirectory(
          atPath: "\(folder)/\(name)",
          withIntermediateDirectories: false
        )
        try AtomicFile.write("1", to: "\(folder)/\(name)/x")
      }
      let target = try AtomicFolder(path: folder + "/model")
      // The old one stepped aside for a new one that never came: there is no other.
      #expect(try !names(folder).contains(torn) && names(folder).contains(old))
      try AtomicFile.write("2", to: target.file("x"))
      try target.commit()
      _ = try AtomicFolder(path: folder + "/model", replacing: true)
      #expect(try names(folder) == (others + ["model"]).sorted())
    }
  }

  @Test func whatKilledProcessesLeftOfALargeFileGoes() throws {
    try withTemporaryFolder { folder in
      let (torn, other) = (".model.2147483647-1.apus-tmp", ".x.2147483647-1.apus-tmp")
      for name in [torn, other] { try AtomicFile.write("1", to: "\(folder)/\(name)") }
      let file = try AtomicFile(path: folder + "/model", reserving: 8)
      try file.commit()
      #expect(try names(folder) == [other, "model"].sorted())
    }
  }

  @Test func interruptedProcessLeavesNothing() async throws {
    await #expect(processExitsWith: .success) {
      try withTemporaryFolder { folder in
        let path = folder + "/model"
        let target = try AtomicFolder(path: path)
        let file = try AtomicFile(path: target.file("x"), reserving: 1000)
        AtomicFile.removePendingFiles()
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder).isEmpty)
        #expect(throws: CheckpointError.self) { try file.commit() }
        #expect(throws: CheckpointError.unwritable(path: path, .interrupted)) {
          try target.commit()
        }
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder).isEmpty)
      }
    }
  }
}
