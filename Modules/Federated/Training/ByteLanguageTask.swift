import Autograd
import Checkpoints
public import Tensor

/// Prediction of the next byte of texts: the ready language task.
///
/// Texts are cut into windows of `contextLength` + 1 bytes; every n-th window of each text goes to the
/// test set, the others are training examples. The label of a window is the number of its text, so a
/// partition by label gives devices different texts.
public struct ByteLanguageTask: FederatedTask {
  /// Data and network.
  public struct Configuration: Codable, Hashable, Sendable {
    /// The network.
    public var network = ByteLanguageNetwork()
    /// Every so-manieth window is a test example.
    public var testStride = 10
    /// At most so many windows of each text are used; nil uses all.
    public var windowLimit: Int?

    /// The small model on all windows.
    public init() {}
  }

  /// The name, for reports.
  public let name: String
  /// Data and network.
  public let configuration: Configuration
  /// The global model.
  public let model: ModelDescription
  /// The number of each training window's text.
  public let labels: [Int32]
  let windows: ByteWindows

  /// A task over texts in memory.
  ///
  /// - Throws: `FederatedTaskError.settings` where there are too few bytes.
  public init(
    name: String,
    texts: [[UInt8]],
    _ configuration: Configuration = Configuration()
  ) throws(FederatedTaskError) {
    try configuration.network.check()
    guard configuration.testStride > 1 else {
      throw .settings("a test stride of \(configuration.testStride), at least 2 is needed")
    }
    self.name = name
    self.configuration = configuration
    var (labels, windows) = ([Int32](), ByteWindows(length: configuration.network.contextLength))
    for (index, text) in texts.enumerated() {
      let added = windows.add(text, configuration)
      labels += [Int32](repeating: Int32(index), count: added)
    }
    guard !labels.isEmpty, !windows.test.isEmpty else {
      let sizes = texts.map(\.count)
      let limit = configuration.windowLimit.map { ", of which \($0) windows each are used," } ?? ""
      throw .settings(
        "texts of \(sizes) bytes\(limit) are too short: each needs \(configuration.testStride) windows "
          + "of \(windows.length), the last of which measures"
      )
    }
    self.labels = labels
    self.windows = windows
    model = configuration.network.description
  }

  /// A task over files.
  ///
  /// - Throws: `FederatedTaskError.data` where one cannot be read.
  public init(
    name: String = "bytes",
    files: [String],
    _ configuration: Configuration = Configuration()
  ) throws(FederatedTaskError) {
    var texts: [[UInt8]] = []
    for path in files {
      do throws(CheckpointError) {
        let file = try MappedFile(path: path, mode: .inMemory)
        texts.append(Array(file.bytes))
        withExtendedLifetime(file) {}
      } catch {
        throw .data(path: path, reason: "\(error)")
      }
    }
    try self.init(name: name, texts: texts, configuration)
  }

  /// The number of training windows.
  public var trainingCount: Int { labels.count }
  /// The number of test windows.
  public var testCount: Int { windows.test.count }
  /// All bytes.
  public var classCount: Int { ByteLanguageNetwork.vocabularySize }
  /// One prediction for each byte but the first.
  public var predictionsPerExample: Int { configuration.network.contextLength }

  /// Matrices from N(0, 0.02²) or as `Linear` starts them, norms of scale 1 and shift 0.
  public func initialParameters(seed: UInt64) -> ParameterSet {
    var generator = Philox(seed: seed)
    return ParameterSet(of: ByteLanguageBody(configuration.network, using: &generator))
  }

  /// A decoder of the widths that the shapes say.
  ///
  /// - Throws: `FederatedTaskError.shapes` where they make none.
  public func makeNetwork(
    shapes: [String: Shape]
  ) throws(FederatedTaskError) -> any FederatedNetwork {
    let body = try ByteLanguageBody(shapes: shapes, headCount: configuration.network.headCount)
    return ByteLanguageModel(body: body, windows: windows)
  }

  /// The bytes that occur in the windows.
  public func presentClasses(_ examples: [Int32]) -> [Bool] {
    var present = [Bool](repeating: false, count: classCount)
    for example in examples {
      for byte in windows.window(example, of: .training) { present[Int(byte)] = true }
    }
    return present
  }
}

/// Windows of texts.
struct ByteWindows: Sendable {
  /// The predictions of a window; it has one more byte.
  let length: Int
  private var bytes: [UInt8] = []
  /// Where windows begin.
  private(set) var training: [Int] = []
  private(set) var test: [Int] = []

  init(length: Int) { self.length = length }

  /// Adds a text and returns how many training windows it has.
  mutating func add(_ text: [UInt8], _ configuration: ByteLanguageTask.Configuration) -> Int {
    let count = min(max(text.count - 1, 0) / length, configuration.windowLimit ?? .max)
    let (start, before) = (bytes.count, training.count)
    bytes += text
    for index in 0..<count {
      if index % configuration.testStride == configuration.testStride - 1 {
        test.append(start + index * length)
      } else {
        training.append(start + index * length)
      }
    }
    return training.count - before
  }

  func window(_ example: Int32, of part: ExamplePart) -> ArraySlice<UInt8> {
    let start = part == .training ? training[Int(example)] : test[Int(example)]
    return bytes[start...start + length]
  }
}

private final class ByteLanguageModel: FederatedNetwork {
  let body: ByteLanguageBody
  private let windows: ByteWindows

  init(body: ByteLanguageBody, windows: ByteWindows) {
    (self.body, self.windows) = (body, windows)
  }

  func visitParameters(_ visitor: ModuleVisitor) { body.visitParameters(visitor) }

  func callAsFunction(
    _ examples: [Int32],
    of part: ExamplePart,
    scale: Float
  ) -> NetworkOutput {
    let length = windows.length
    var (inputs, targets) = ([Int32](), [Int32]())
    for example in examples {
      let window = windows.window(example, of: part)
      inputs += window.dropLast().map { Int32($0) }
      targets += window.dropFirst().map { Int32($0) }
    }
    let logits = body(Tensor(inputs, shape: [examples.count, length]), scale: scale)
    return NetworkOutput(
      logits: logits.reshaped(to: [targets.count, logits.shape[2]]),
      targets: Tensor(targets)
    )
  }
}
