/// A message that a handler answers.
public struct FlowerRequest: Sendable {
  /// The type, such as `train`, `evaluate`, `query` or `train.personalize`.
  public let type: String
  /// The id of the message.
  public let id: String
  /// The group, which strategies set to the number of the round.
  public let group: String
  /// The run that the message belongs to.
  public let run: FlowerRun
  /// The records.
  public let content: FlowerContent
  /// When the reply must be there, in seconds since 1970.
  public let deadline: Double
}

/// A run of a federation.
public struct FlowerRun: Sendable, Equatable {
  /// The number of the run.
  public let id: UInt64
  /// The application that runs on the server.
  public let application: String
  /// The values of `--run-config` for this run.
  public let configuration: NamedValues<FlowerValue>

  init(_ wire: WireRun) {
    id = wire.runID
    application = wire.fabID
    let pairs = wire.overrideConfig.sorted { $0.key < $1.key }
    configuration = NamedValues(
      pairs.compactMap { pair in FlowerValue(pair.value).map { (pair.key, $0) } }
    )
  }
}

/// What a node does with messages, by their type.
///
/// A handler runs on a thread of its own, not on those that keep the node alive: it may compute for
/// as long as it needs, on a device with a single core too.
public struct FlowerHandlers: Sendable {
  /// Answers a message; what it throws travels as an error to the strategy.
  public typealias Handler = @Sendable (FlowerRequest) async throws -> FlowerContent

  private var handlers: [String: Handler] = [:]

  /// Handlers for the three types that strategies send.
  public init(train: Handler? = nil, evaluate: Handler? = nil, query: Handler? = nil) {
    handlers["train"] = train
    handlers["evaluate"] = evaluate
    handlers["query"] = query
  }

  /// The handler of a type, such as `train` or `train.personalize`.
  public subscript(type: String) -> Handler? {
    get { handlers[type] }
    set { handlers[type] = newValue }
  }

  /// The types that have a handler, sorted.
  public var types: [String] { handlers.keys.sorted() }
}
