import Checkpoints
import Foundation
import Tensor
import TestSupport
import Testing

// `apus-finetune adapters`, and training of low-rank ones.
extension FinetuneCommandTests {
  /// What cannot be written in the end is refused before it is trained.
  @Test func adaptersOfJoinedMatricesAreRefusedAtOnce() throws {
    try withModelAndTexts { model, folder in
      let path = folder + "/gpt2"
      try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
      for name in ["tokenizer.json", "tokenizer_config.json"] {
        try FileManager.default.copyItem(atPath: model + "/" + name, toPath: path + "/" + name)
      }
      try Data(
        #"""
        {"model_type": "gpt2", "vocab_size": 512, "n_embd": 32, "n_layer": 1, "n_head": 4,
         "n_positions": 64, "layer_norm_epsilon": 1e-5, "activation_function": "gelu_new"}
        """#.utf8
      ).write(to: URL(filePath: path + "/config.json"))
      let shapes: [String: Shape] = [
        "wte.weight": [512, 32], "wpe.weight": [64, 32], "ln_f.weight": [32], "ln_f.bias": [32],
        "h.0.ln_1.weight": [32], "h.0.ln_1.bias": [32], "h.0.ln_2.weight": [32],
        "h.0.ln_2.bias": [32], "h.0.attn.c_attn.weight": [32, 96], "h.0.attn.c_attn.bias": [96],
        "h.0.attn.c_proj.weight": [32, 32], "h.0.attn.c_proj.bias": [32],
        "h.0.mlp.c_fc.weight": [32, 128], "h.0.mlp.c_fc.bias": [128],
        "h.0.mlp.c_proj.weight": [128, 32], "h.0.mlp.c_proj.bias": [32],
      ]
      try SafetensorsFile.write(
        shapes.mapValues { Tensor<Float>.ones($0) },
        to: path + "/model.safetensors"
      )
      let arguments = ["train", path, "--text", folder + "/text"] + Self.training
      let refused = try run(arguments + ["--method", "lora", "--output", folder + "/adapters"])
      #expect(refused.status == 1 && refused.error.contains("gpt2"), "\(refused.error)")
      #expect(!FileManager.default.fileExists(atPath: folder + "/adapters"))
      let all = try run(arguments + ["--method", "full", "--output", folder + "/all"])
      #expect(all.status == 0, "\(all.error)")
    }
  }

  /// The default names no family's layers, and fits our own models too.
  @Test func ownModelsTakeLowRankAdapters() throws {
    try withModelAndTexts { _, folder in
      func pretrain(_ arguments: String...) throws {
        let invocation = try Invocation(arguments, of: "apus-pretrain")
        #expect(invocation.wait() == 0, "\(invocation.error)")
      }
      let (text, tokenizer) = (folder + "/text", folder + "/tokenizer")
      let size = ["--width", "16", "--heads", "2", "--feed-forward", "32", "--blocks", "2"]
      try pretrain("tokenizer", text, "--vocabulary", "260", "--output", tokenizer)
      try pretrain("tokenize", text, "--tokenizer", tokenizer, "--output", folder + "/tokens")
      let invocation = try Invocation(
        [
          "train", folder + "/tokens", "--tokenizer", tokenizer, "--output", folder + "/own",
          "--steps", "2", "--length", "32", "--batch", "2", "--stride", "1",
        ] + size,
        of: "apus-pretrain"
      )
      #expect(invocation.wait() == 0, "\(invocation.error)")
      let report = try train(folder + "/own/model", "lora", folder, to: "task")
      let inner = try #require(report["report"] as? [String: Any])
      #expect(inner["trainableCount"] as? Int == 2 * 2 * 8 * (16 + 16))
      #expect(report["settings"] as? String == "rank 8, alpha 16.0, queries and values")
      let list = try run(["adapters", "list", folder + "/task"])
      #expect(list.status == 0 && list.output.contains("rank 8"), "\(list.error)")
    }
  }

  @Test func tasksAreListedAndCompared() throws {
    try withModelAndTexts { model, folder in
      try quantize(model, to: folder + "/small", "--scheme", "W4")
      let small = folder + "/small"
      _ = try train(small, "peqa", folder, to: "one", ["--task", "law"])
      _ = try train(small, "peqa", folder, to: "two", ["--seed", "1"])
      let outcome = try run(["adapters", "list", folder + "/one", folder + "/two", "--json"])
      let data = Data(outcome.output.utf8)
      let list = try #require(
        try JSONSerialization.jsonObject(with: data) as? [[String: Any]],
        "\(outcome.error)"
      )
      #expect(list.map { $0["task"] as? String } == ["law", "two"])
      #expect(list.allSatisfy { $0["numbers"] as? Int == 448 && $0["layers"] as? Int == 14 })
      #expect(list[0]["base"] as? String == list[1]["base"] as? String)
      let difference = try run(["adapters", "diff", folder + "/one", folder + "/two"])
      #expect(difference.status == 0, "\(difference.error)")
      #expect(difference.output.contains("model.layers.1.mlp.down_proj"))
      let same = try run(["adapters", "diff", folder + "/one", folder + "/one", "--json"])
      let changes = try JSONSerialization.jsonObject(with: Data(same.output.utf8))
      #expect((changes as? [[String: Any]])?.allSatisfy { $0["largest"] as? Double == 0 } == true)
    }
  }

  /// Whatever is wrong with one adapter, the others have their verdicts.
  @Test func everyAdapterGetsAVerdict() throws {
    try withModelAndTexts { model, folder in
      try quantize(model, to: folder + "/small", "--scheme", "W4")
      let (small, damaged) = (folder + "/small", folder + "/damaged.safetensors")
      _ = try train(small, "peqa", folder, to: "law")
      _ = try train(small, "lora", folder, to: "chat")
      _ = try train(model, "alphatuning", folder, to: "signs", ["--planes", "2"])
      let bytes = try Data(contentsOf: URL(filePath: folder + "/law/adapter.safetensors"))
      try bytes.prefix(bytes.count / 2).write(to: URL(filePath: damaged))
      let paths = [
        damaged, folder + "/signs", folder + "/none", folder + "/law", folder + "/chat",
      ]
      let verified = try run(["adapters", "verify", small, "--json"] + paths)
      let verdicts = try #require(
        try JSONSerialization.jsonObject(with: Data(verified.output.utf8)) as? [[String: Any]]
      )
      #expect(verified.status == 1 && verified.error.contains("3 of 5 adapters"))
      #expect(verdicts.map { $0["adapter"] as? String } == paths)
      #expect(verdicts.map { $0["fits"] as? Bool } == [false, false, false, true, true])
      #expect((verdicts[1]["reason"] as? String)?.contains("AlphaTuning") == true)
      let listed = try run(["adapters", "list", "--json"] + paths)
      let entries = try #require(
        try JSONSerialization.jsonObject(with: Data(listed.output.utf8)) as? [[String: Any]]
      )
      #expect(listed.status == 1 && listed.error.contains("2 of 5 paths"))
      #expect(entries.map { $0["reason"] != nil } == [true, false, true, false, false])
      #expect(entries.map { $0["planes"] as? Int } == [nil, 1, nil, nil, nil])
      let table = try run(["adapters", "list", folder + "/signs", folder + "/law"])
      #expect(table.output.contains("2 planes, rows, 1 trained"))
      #expect(table.output.contains("4 bits, rows"))
    }
  }

  @Test func lowRankAdaptersAreTrainedOnPairsAndMerged() throws {
    try withModelAndTexts { model, folder in
      let lines = (0..<12).map { index in
        "{\"prompt\": \"Lily has \(index)\", \"response\": \" dogs and a ball.\"}"
      }
      let data = folder + "/pairs.jsonl"
      try Data(lines.joined(separator: "\n").utf8).write(to: URL(filePath: data))
      let report = try document(
        [
          "train", model, "--method", "lora", "--rank", "2", "--targets", "q_proj,down_proj",
          "--data", data, "--validation-share", "0.25", "--output", folder + "/run",
        ] + Self.training
      )
      #expect(try loss(report, "lossAfter") < loss(report, "lossBefore"))
      let inner = try #require(report["report"] as? [String: Any])
      #expect(inner["trainableCount"] as? Int == 2 * 2 * (64 + 80))
      #expect(
        try names(in: folder + "/run/adapter")
          == ["adapter_config.json", "adapter_model.safetensors"]
      )
      let measured = try losses(model, folder, ["--adapter", folder + "/run"])
      #expect(measured[0] != measured[1])
      #expect(try run(["adapters", "verify", model, folder + "/run"]).status == 0)
      let list = try run(["adapters", "list", folder + "/run"])
      #expect(list.output.contains("lora") && list.output.contains("rank 2"))
      let merged = folder + "/merged"
      let applied = try run(["adapters", "apply", model, folder + "/run", "--output", merged])
      #expect(applied.status == 0, "\(applied.error)")
      // Merged weights round once more than the product beside them.
      #expect(try abs(losses(merged, folder)[0] - measured[1]) < 1e-4)
      try quantize(model, to: folder + "/small", "--scheme", "W4")
      let refused = try run([
        "adapters", "apply", folder + "/small", folder + "/run", "--output", folder + "/x",
      ])
      #expect(refused.status == 1 && refused.error.contains("full-precision weights alone"))
    }
  }

  /// What is wrong with low-rank adapters is found by every command.
  @Test func damagedLowRankAdaptersAreNamed() throws {
    try withModelAndTexts { model, folder in
      _ = try train(model, "lora", folder, to: "chat", ["--task", "talk"])
      let list = try run(["adapters", "list", folder + "/chat", "--json"])
      #expect(list.output.contains("\"talk\""), "\(list.output)")
      let path = folder + "/chat/adapter/adapter_model.safetensors"
      var tensors: [SafetensorsItem] = []
      let file = try SafetensorsFile(path: path, mode: .inMemory)
      for (index, name) in file.names.enumerated() {
        var tensor: Tensor<Float> = try file.tensor(named: name)
        if index == 0 { tensor = tensor * Float.nan }
        tensors.append(SafetensorsItem(name, tensor))
      }
      try SafetensorsFile.write(tensors, metadata: file.metadata, to: path)
      let verified = try run(["adapters", "verify", model, folder + "/chat"])
      #expect(verified.status == 1 && verified.output.contains("not finite"))
      try SafetensorsFile.write(Array(tensors.dropFirst()), metadata: file.metadata, to: path)
      let half = try run(["adapters", "list", folder + "/chat"])
      #expect(half.status == 1 && half.error.contains("has not both"), "\(half.error)")
    }
  }
}
