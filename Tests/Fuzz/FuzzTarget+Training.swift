import Checkpoints
import Foundation
import Tensor

@testable import Autograd
@testable import Transformer

extension FuzzTarget {
  static let training = [runLog, checkpointState, tokenFile, tuningData]

  private static let runLog = FuzzTarget(
    name: "run-log",
    words: ["\"step\":", "\"epoch\":", "\"seconds\":", "NaN", "\"Infinity\"", "\n"],
    seeds: {
      let bytes = try Scratch.bytes("seed") { path in
        let log = try RunLog(path: path)
        for step in 1...3 { try log.append(step: step, ["loss": 1 / Double(step), "rate": .nan]) }
      }
      return [bytes]
    }
  ) { bytes in
    let path = Scratch.file("fuzz.jsonl", bytes)
    let records = try RunLog.read(path)
    // What can be read can be gone on with.
    let log = try RunLog(path: path, resumingAfter: records.last?.step ?? 0)
    try log.append(step: (records.last?.step ?? 0), ["loss": 0.5])
  }

  /// state.json of a checkpoint, with a manifest that fits it.
  private static let checkpointState = FuzzTarget(
    name: "checkpoint",
    words: [
      "\"step\":", "\"position\":", "\"metrics\":", "\"values\":", "\"tensors\":", "\"NaN\"",
    ],
    seeds: {
      let folder = Scratch.subfolder("saved")
      var checkpoint = TrainingCheckpoint(step: 7, metrics: ["loss": 0.5])
      checkpoint.model = ["w": Tensor([1, 2])]
      checkpoint.values["generator"] = Philox(seed: 1)
      let saved = try CheckpointFolder(at: folder).save(checkpoint)
      return try ["state.json", "manifest.json"].map { name in
        [UInt8](try Data(contentsOf: URL(filePath: "\(saved)/\(name)")))
      }
    }
  ) { bytes in
    let folder = try CheckpointFolder(at: Scratch.subfolder("checkpoints"))
    let step = folder.path(ofStep: 7)
    mkdir(step, 0o700)
    for isManifest in [true, false] {
      Scratch.file("checkpoints/step-000007/state.json", isManifest ? Array("{}".utf8) : bytes)
      var manifest = CheckpointManifest()
      try manifest.add("state.json", at: step + "/state.json")
      try manifest.write(to: step + "/manifest.json")
      if isManifest { Scratch.file("checkpoints/step-000007/manifest.json", bytes) }
      guard let saved = try? folder.load(step: 7) else { continue }
      for name in saved.valueNames {
        _ = try? saved.value(name, as: Philox.self)
        _ = try? saved.value(name, as: [String: Double].self)
      }
      for name in saved.groupNames { _ = try? saved.tensors(name) }
    }
  }

  private static let tokenFile = FuzzTarget(
    name: "token-file",
    words: ["\"vocabulary\":", "\"tokens\"", "\"tokenizer\":", "\"U8\"", "\"I32\"", "\"U16\""],
    seeds: {
      try [10, 300].map { count in
        try OpenSafetensors.input(
          Scratch.bytes("seed") { path in
            let writer = try TokenFileWriter(path: path, vocabularyCount: count, tokenizer: "t")
            try writer.append([1, 2, 3, 4, 5, 6, 7, 8, 9, 0])
            try writer.finish()
          }
        )
      }
    }
  ) { bytes in
    let file = try TokenFile(path: Scratch.file("fuzz.tokens", OpenSafetensors.file(bytes)))
    for token in file[0..<file.count] {
      demand(token >= 0 && token < file.vocabularyCount, "a token outside the vocabulary")
    }
    _ = file.digest
    if file.count > 0 { _ = file.unigramEntropy }
    if file.count > 4 { _ = TuningExamples(windowsOf: [file], length: 2, stride: 1) }
  }

  private static let tuningData = FuzzTarget(
    name: "tuning-data",
    words: [
      "{\"messages\":", "\"role\":", "\"assistant\"", "\"content\":", "\"prompt\":",
      "\"response\":",
      "\"completion\":", "\"instruction\":", "\"input\":", "\"output\":", "\"tools\":", "\n",
    ],
    seeds: {
      let text = """
        {"messages": [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "ho"}]}
        {"prompt": "one", "response": "two"}

        {"instruction": "add", "input": "1 1", "output": "2"}

        """
      return [Array(text.utf8)]
    }
  ) { bytes in
    let path = Scratch.file("fuzz.jsonl", bytes)
    for format in TuningFormats.both {
      do {
        let examples = try TuningExamples(path: path, format: format)
        demand(examples.report.examples > 0, "no examples, and no error")
      } catch {
        demand(!"\(error)".isEmpty, "an error without a text")
      }
    }
  }
}

/// How examples become tokens, with a chat template and without.
private enum TuningFormats {
  static let both: [TuningFormat] = {
    do {
      let json = try Samples.file("transformer/tokenizers/bpe-smollm/tokenizer.json")
      let tokenizer = try Tokenizer(json: Data(json))
      let template = try ChatTemplate(
        "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n"
          + "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
      )
      let ends = Set(["<|im_end|>"].compactMap { tokenizer.id(of: $0) } + [0])
      return [nil, template].map { template in
        TuningFormat(tokenizer: tokenizer, template: template, endTokens: ends, maximumLength: 64)
      }
    } catch {
      stop("tuning-data: \(error)")
    }
  }()
}
