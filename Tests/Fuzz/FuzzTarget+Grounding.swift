import Autograd
import Foundation
import GUIGrounding
import Tensor

extension FuzzTarget {
  static let grounding = [answer, rows, nativePolicy]

  private static let answer = FuzzTarget(
    name: "answer",
    words: [
      "<think>", "</think>", "<answer>", "</answer>", "<point>", "</point>", "<box>", "x=", "y=",
      "\"bbox_2d\":", "\"coordinate\":", "<|box_start|>", "<|box_end|>", "pyautogui.click(",
      "click(",
      "(512, 40)", "[1, 2, 3, 4]", "start_box='", "{\"x\":", ", ", "-.5", "99999999999999999999",
    ],
    seeds: {
      struct Case: Decodable { var text: String }
      let data = Data(try Samples.file("gui/answer-parsing.json"))
      return try JSONDecoder().decode([Case].self, from: data).map { Array($0.text.utf8) }
    }
  ) { bytes in
    let text = String(decoding: bytes, as: UTF8.self)
    let size = PixelSize(width: 640, height: 480)
    for isStrict in [false, true] {
      let answer = AnswerParser(isStrict: isStrict).parse(text)
      demand((answer.point == nil) == (answer.kind == nil), "a place of no kind")
      for space in CoordinateSpace.allCases {
        _ = answer.sample(text: text, convention: CoordinateConvention(space), view: size)
      }
    }
  }

  /// Rows of annotations; the first byte chooses the layout.
  private static let rows = FuzzTarget(
    name: "grounding-rows",
    words: [
      "\"bbox\":", "\"instruction\":", "\"img_filename\":", "\"img_size\":", "\"elements\":",
      "\"conversations\":", "\"from\":", "\"value\":", "\"id\":", "\"image\":", "\"image_size\":",
      "\"point\":", "\"boxes\":", "\"element\":", "\"gt_bbox\":", "<image>", "\n", "1e308", "-1",
    ],
    seeds: {
      let cases = try JSONSerialization.jsonObject(
        with: Data(Samples.file("gui/dataset-schemas.json"))
      )
      let layouts = GroundingLayout.allCases
      return try (cases as? [[String: Any]] ?? []).flatMap { sample -> [[UInt8]] in
        let raw = try JSONSerialization.data(withJSONObject: sample["raw"] ?? [:])
        let name = sample["format"] as? String ?? ""
        return layouts.indices.filter { layouts[$0].rawValue == name || layouts[$0] == .native }
          .map { [UInt8($0)] + raw }
      }
    }
  ) { bytes in
    let layouts = GroundingLayout.allCases
    let layout = layouts[Int(bytes.first ?? 0) % layouts.count]
    let path = Scratch.file("fuzz.jsonl", bytes.dropFirst())
    var options = GroundingDataOptions()
    options.badRows = .skip
    options.images = .annotationsOnly
    let data = try GroundingDataset.load(path, layout: layout, options: options)
    demand(Set(data.items.map(\.id)).count == data.items.count, "two items of one name")
    for item in data.items { _ = data.imagePath(item) }
  }

  private static let nativePolicy = FuzzTarget(
    name: "native-policy",
    words: [
      "\"policy\":", "\"format\":", "\"width\":", "\"blockCount\":", "\"stemWidths\":[",
      "\"view\":", "\"vocabulary\":", "\"binCount\":", "\"instruction\":",
      "\"bytes\":", "\"headCount\":", "\"quantization\":", "4096", "4294967296",
    ],
    seeds: {
      let instructions: [NativePolicyConfiguration.Instruction] = [
        .words, .bytes(maximumLength: 8, blockCount: 1),
      ]
      return try instructions.map { instruction in
        var configuration = NativePolicyConfiguration(
          width: 4,
          blockCount: 1,
          view: PixelSize(width: 16, height: 16),
          instruction: instruction
        )
        configuration.stemWidths = [2, 3]
        configuration.vocabulary.binCount = 4
        configuration.headCount = 2
        var generator = Philox(seed: 1)
        let policy = NativeGroundingPolicy(configuration, using: &generator)
        return try OpenSafetensors.input(Scratch.bytes("seed") { try policy.write(to: $0) })
      }
    }
  ) { bytes in
    let policy = try NativeGroundingPolicy(
      path: Scratch.file("fuzz.safetensors", OpenSafetensors.file(bytes))
    )
    demand(!policy.namedLinearLayers().isEmpty, "a policy without layers")
  }
}
