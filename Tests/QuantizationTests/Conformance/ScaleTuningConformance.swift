import Checkpoints
import TestSupport
import Testing

/// Binary coding and the tuning of scales as references compute them: every case that the files
/// hold.
@Suite struct ScaleTuningConformance {
  /// The cases of all files of the folder `peqa-adadim` whose names begin so; a file that lists none
  /// is one.
  static func cases(_ name: String) -> [FixtureCase] {
    Fixtures.names(in: "peqa-adadim", suffix: ".safetensors").filter { $0.hasPrefix(name) }
      .flatMap { file -> [FixtureCase] in
        let path = Fixtures.file("peqa-adadim/" + file)
        guard let document = FixtureCase.document(path, "case") else { return [] }
        guard let cases = document["cases"]?.arrayValue else {
          return [FixtureCase(path: path, prefix: "", values: document)]
        }
        return cases.map { value in
          FixtureCase(path: path, prefix: value["prefix"]?.stringValue ?? "", values: value)
        }
      }
  }
}
