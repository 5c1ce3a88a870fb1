import Autograd
import Checkpoints
import Foundation
import Quantization
import Tensor
import Transformer

extension FuzzTarget {
  static let adapters = [scaleAdapter, lowRankAdapter]

  private static let scaleAdapter = FuzzTarget(
    name: "scale-adapter",
    words: [
      "\"format\":", "\"scale-adapter\"", "\"version\":\"1\"", "\"method\":", "\"base_sha256\":",
      "\"step\":", "\"bits\":", "\"group\":", "\"axis\":", "\"task\":", "\"F16\"", "\"F32\"",
    ] + ScaleAdapter.Method.allCases.map { "\"\($0.rawValue)\"" },
    seeds: {
      try ScaleAdapter.Method.allCases.map { method in
        try OpenSafetensors.input(
          Scratch.bytes("seed") { path in
            let shape: Shape = method == .peqa ? [4, 2] : [2, 4, 2]
            try ScaleAdapter(
              method: method,
              task: "t",
              step: 3,
              baseDigest: String(repeating: "a", count: 64),
              bits: "4",
              group: "8",
              axis: "input",
              scales: ["layer": .ones(shape)]
            ).write(to: path, as: .float16)
          }
        )
      }
    }
  ) { bytes in
    let adapter = try ScaleAdapter(path: Scratch.file("fuzz.adapter", OpenSafetensors.file(bytes)))
    demand(!adapter.scales.isEmpty, "an adapter without scales")
    // What was read can be written, and is the same then.
    let copy = Scratch.folder + "/copy.adapter"
    try adapter.write(to: copy)
    demand(try ScaleAdapter(path: copy).scales == adapter.scales, "its copy has other scales")
  }

  /// adapter_config.json, a byte 0, and adapter_model.safetensors in its open form.
  private static let lowRankAdapter = FuzzTarget(
    name: "low-rank-adapter",
    words: [
      "\"peft_type\":", "\"LORA\"", "\"r\":", "\"lora_alpha\":", "\"use_rslora\": true",
      "\"bias\":",
      "\"init_lora_weights\":", "\"pissa\"", ".lora_A.weight", ".lora_B.weight",
      "base_model.model.",
    ],
    seeds: {
      let model = try TinyModel(family: .llama).model()
      var generator = Philox(seed: 2)
      try model.addLowRankAdapters(
        rank: 2,
        alpha: 4,
        to: ["q_proj", "down_proj"],
        using: &generator
      )
      let folder = Scratch.folder + "/seed-adapter"
      try LowRankAdapterFolder.write(
        model,
        baseModel: "tiny",
        to: URL(filePath: folder),
        replacing: true
      )
      return [
        .joining(
          try Data(contentsOf: URL(filePath: folder + "/adapter_config.json")),
          try OpenSafetensors.input(
            [UInt8](try Data(contentsOf: URL(filePath: folder + "/adapter_model.safetensors")))
          )
        )
      ]
    }
  ) { bytes in
    let folder = Scratch.subfolder("adapter")
    Scratch.file("adapter/adapter_config.json", bytes.halves.first)
    Scratch.file(
      "adapter/adapter_model.safetensors",
      OpenSafetensors.file(bytes.halves.second)
    )
    let model = try TinyModel(family: .llama).model()
    try LowRankAdapterFolder.load(URL(filePath: folder), into: model)
    _ = model([1, 2], cache: model.makeCache())
    model.mergeLowRankAdapters()
    _ = model([1], cache: model.makeCache())
  }
}
