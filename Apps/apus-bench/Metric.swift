/// What a call's seconds are turned into.
enum Metric {
  /// GFLOP/s of a call with so many floating-point operations.
  case flops(Double)
  /// GB/s of a call that must move so many bytes: each input read once, each output written once.
  case bytes(Double)
  /// Tokens per second of a call that handles so many.
  case tokens(Double)
  /// Images per second of a call that handles so many.
  case images(Double)
  /// Responses per second of a call that draws so many.
  case responses(Double)
  /// MB/s of a call that handles so many bytes of text.
  case text(Double)
  /// Microseconds a call.
  case microseconds
  /// Seconds a call.
  case seconds

  var unit: String {
    switch self {
    case .flops: "GFLOP/s"
    case .bytes: "GB/s"
    case .tokens: "tok/s"
    case .images: "img/s"
    case .responses: "resp/s"
    case .text: "MB/s"
    case .microseconds: "µs"
    case .seconds: "s"
    }
  }

  var isHigherBetter: Bool {
    switch self {
    case .flops, .bytes, .tokens, .images, .responses, .text: true
    case .microseconds, .seconds: false
    }
  }

  func value(seconds: Double) -> Double {
    switch self {
    case .flops(let count), .bytes(let count): count / seconds / 1e9
    case .tokens(let count), .images(let count), .responses(let count): count / seconds
    case .text(let count): count / seconds / 1e6
    case .microseconds: seconds * 1e6
    case .seconds: seconds
    }
  }
}

/// What limits a call on this machine, and how much of it the call needs at least.
enum Bound {
  /// The multiply-add peak of the threads in use; floating-point operations.
  case arithmetic(Double)
  /// The read bandwidth of the threads in use; bytes.
  case memory(Double)
  /// Nothing that is probed: caches, call overhead.
  case unknown
}
