import Foundation
import TestSupport
import Testing

/// Low-rank adapters between `apus-finetune` and the library whose layout they have, both ways.
///
/// `APUS_PEFT_PYTHON` names the interpreter; make one with
/// `python3 -m venv V && V/bin/pip install torch transformers peft`.
@Suite struct PeftTests {
  static let python: String? = {
    let given = ProcessInfo.processInfo.environment["APUS_PEFT_PYTHON"]
    return given.flatMap { FileManager.default.isExecutableFile(atPath: $0) ? $0 : nil }
  }()

  /// Prints the losses of the model, of the model with our adapter, and of the model with an adapter of
  /// peft's own, which it writes.
  private static let program = """
    import json, sys, torch
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from peft import LoraConfig, PeftModel, get_peft_model
    base, adapter, text, target = sys.argv[1:5]
    torch.set_num_threads(1)
    torch.manual_seed(0)
    def load(): return AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    ids = AutoTokenizer.from_pretrained(base)(open(text).read(), add_special_tokens=False)["input_ids"]
    def loss(model):
        total, count = 0.0, 0
        with torch.no_grad():
            for start in range(0, len(ids) - 32, 32):
                window = torch.tensor([ids[start:start + 33]])
                logits = model.eval()(window[:, :-1]).logits[0].double()
                total += torch.nn.functional.cross_entropy(logits, window[0, 1:], reduction="sum").item()
                count += 32
        return total / count
    result = {"base": loss(load()), "read": loss(PeftModel.from_pretrained(load(), adapter))}
    config = LoraConfig(task_type="CAUSAL_LM", r=3, lora_alpha=5, use_rslora=True,
                        target_modules="all-linear")
    model = get_peft_model(load(), config)
    for name, value in model.named_parameters():
        if "lora_B" in name: value.data.normal_(0, 0.1)
    model.save_pretrained(target)
    result["written"] = loss(model)
    print(json.dumps(result))
    """

  @Test(
    .enabled(if: python != nil, "needs Python with torch, transformers and peft: APUS_PEFT_PYTHON"),
    .timeLimit(.minutes(10))
  )
  func adaptersComputeTheSameOnBothSides() throws {
    let command = FinetuneCommandTests()
    try command.withModelAndTexts { model, folder in
      let more = ["--rank", "2", "--alpha", "6", "--targets", "q_proj,v_proj,down_proj"]
      let report = try command.train(model, "lora", folder, more)
      let theirs = try run([model, folder + "/run/adapter", folder + "/held", folder + "/peft"])
      func expectNear(_ found: Double?, _ expected: Double, _ comment: Comment) throws {
        #expect(try abs(#require(found) - expected) < 1e-5, comment)
      }
      try expectNear(theirs["base"], command.loss(report, "lossBefore"), "the model")
      try expectNear(theirs["read"], command.loss(report, "lossAfter"), "our adapter in peft")
      #expect(theirs["read"] != theirs["base"])
      let ours = try command.losses(model, folder, ["--adapter", folder + "/peft"])
      try expectNear(theirs["written"], ours[1], "peft's adapter here")
    }
  }

  private func run(_ arguments: [String]) throws -> [String: Double] {
    let (process, output) = (Process(), Pipe())
    process.executableURL = URL(filePath: try #require(Self.python))
    process.arguments = ["-c", Self.program] + arguments
    process.standardOutput = output
    try process.run()
    let data = try output.fileHandleForReading.readToEnd() ?? Data()
    process.waitUntilExit()
    try #require(process.terminationStatus == 0)
    return try JSONDecoder().decode([String: Double].self, from: data)
  }
}
