/// How a GGUF file stores a tensor; the raw value is the code in the file.
///
/// Quantized types store blocks of 32 or 256 values of one row.
public enum GGUFTensorType: UInt32, Sendable, CaseIterable {
  /// IEEE 754 binary32.
  case float32 = 0
  /// IEEE 754 binary16.
  case float16 = 1
  /// 4 bits and a scale for 32 values.
  case q4_0 = 2
  /// 4 bits, a scale and a minimum for 32 values.
  case q4_1 = 3
  /// 5 bits and a scale for 32 values.
  case q5_0 = 6
  /// 5 bits, a scale and a minimum for 32 values.
  case q5_1 = 7
  /// 8 bits and a scale for 32 values.
  case q8_0 = 8
  /// 2 bits, 16 scales and minima of 4 bits for 256 values.
  case q2_K = 10
  /// 3 bits, 16 scales of 6 bits for 256 values.
  case q3_K = 11
  /// 4 bits, 8 scales and minima of 6 bits for 256 values.
  case q4_K = 12
  /// 5 bits, 8 scales and minima of 6 bits for 256 values.
  case q5_K = 13
  /// 6 bits, 16 scales of 8 bits for 256 values.
  case q6_K = 14
  /// Signed bytes.
  case int8 = 24
  /// Signed 16-bit integers.
  case int16 = 25
  /// Signed 32-bit integers.
  case int32 = 26
  /// Signed 64-bit integers.
  case int64 = 27
  /// IEEE 754 binary64.
  case float64 = 28
  /// The upper half of a binary32.
  case bfloat16 = 30

  /// The name that the format gives the type: `Q4_K`.
  public var name: String { Self.names[rawValue] ?? "type \(rawValue)" }

  /// The values of one block; 1 for plain numbers.
  public var blockCount: Int {
    switch self {
    case .q4_0, .q4_1, .q5_0, .q5_1, .q8_0: 32
    case .q2_K, .q3_K, .q4_K, .q5_K, .q6_K: 256
    case .float32, .float16, .bfloat16, .float64, .int8, .int16, .int32, .int64: 1
    }
  }

  /// The bytes of one block.
  public var blockByteCount: Int {
    switch self {
    case .int8: 1
    case .float16, .bfloat16, .int16: 2
    case .float32, .int32: 4
    case .float64, .int64: 8
    case .q4_0: 18
    case .q4_1: 20
    case .q5_0: 22
    case .q5_1: 24
    case .q8_0: 34
    case .q2_K: 84
    case .q3_K: 110
    case .q4_K: 144
    case .q5_K: 176
    case .q6_K: 210
    }
  }

  /// Whether values come in blocks with a scale.
  public var isQuantized: Bool { blockCount > 1 }

  /// The safetensors type with the same bits, for plain numbers.
  var plain: SafetensorsType? {
    switch self {
    case .float32: .float32
    case .float16: .float16
    case .bfloat16: .bfloat16
    case .float64: .float64
    case .int8: .int8
    case .int16: .int16
    case .int32: .int32
    case .int64: .int64
    case .q4_0, .q4_1, .q5_0, .q5_1, .q8_0, .q2_K, .q3_K, .q4_K, .q5_K, .q6_K: nil
    }
  }

  /// What the format calls a code, whether it is supported or not.
  static func name(of code: UInt32) -> String {
    names[code].map { "\($0) (code \(code))" } ?? "code \(code)"
  }

  private static let names: [UInt32: String] = [
    0: "F32", 1: "F16", 2: "Q4_0", 3: "Q4_1", 4: "Q4_2, removed from the format",
    5: "Q4_3, removed from the format", 6: "Q5_0", 7: "Q5_1", 8: "Q8_0", 9: "Q8_1", 10: "Q2_K",
    11: "Q3_K", 12: "Q4_K", 13: "Q5_K", 14: "Q6_K", 15: "Q8_K", 16: "IQ2_XXS", 17: "IQ2_XS",
    18: "IQ3_XXS", 19: "IQ1_S", 20: "IQ4_NL", 21: "IQ3_S", 22: "IQ2_S", 23: "IQ4_XS", 24: "I8",
    25: "I16", 26: "I32", 27: "I64", 28: "F64", 29: "IQ1_M", 30: "BF16",
    31: "Q4_0_4_4, removed from the format", 32: "Q4_0_4_8, removed from the format",
    33: "Q4_0_8_8, removed from the format", 34: "TQ1_0", 35: "TQ2_0",
    36: "IQ4_NL_4_4, removed from the format", 37: "IQ4_NL_4_8, removed from the format",
    38: "IQ4_NL_8_8, removed from the format", 39: "MXFP4", 40: "NVFP4",
  ]
}
