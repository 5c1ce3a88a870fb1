import Checkpoints
import Foundation
public import GUIGrounding

/// A model behind an OpenAI-compatible chat endpoint that takes pictures.
///
///     let server = ChatServer.vLLM(baseURL: "http://127.0.0.1:8000/v1", model: "Qwen2.5-VL-3B")
///     guard let family = VisionModelFamily.named("qwen2.5-vl") else { return }
///     let policy = try RemoteGroundingPolicy(server: server, family: family)
///     let samples = try await policy.sample(request, count: 16, options: GroundingSampling())
///
/// Pictures are brought to the size that the server's own resizing leaves alone before they are
/// sent. So stretching, letterboxes and rounding of servers make no difference, and "pixels" means
/// pixels of what was sent. Points come back in pixels of the picture that was handed in.
///
/// One policy serves many tasks at once; at most `ChatLimits.concurrentRequests` requests are under
/// way. With a cache, the same request gives the same answers again, also without a seed: use
/// another seed to draw anew, and another folder for another model of the same name.
public final class RemoteGroundingPolicy: GroundingPolicy, Sendable {
  /// Where the model is.
  public let server: ChatServer
  /// How it is asked, and what its numbers mean.
  public let family: VisionModelFamily
  private let client: ChatClient
  private let extraFields: JSONObject

  /// A policy; the key, if the server has one, is read from the environment now.
  ///
  /// - Parameters:
  ///   - server: where the model is.
  ///   - family: how it is asked, and what its numbers mean.
  ///   - limits: times, sizes and retries.
  ///   - cache: where replies are kept.
  ///   - willRetry: told before a pause, which can be a minute where the server asks for it
  ///     (`RetrySettings.longestServerPause`); from any thread.
  /// - Throws: `ChatError.Reason.invalid` and `.missingKey`.
  public convenience init(
    server: ChatServer,
    family: VisionModelFamily,
    limits: ChatLimits = ChatLimits(),
    cache: CacheUse = .off,
    willRetry: @escaping @Sendable (ChatRetry) -> Void = { _ in }
  ) throws(ChatError) {
    try self.init(
      server: server,
      family: family,
      limits: limits,
      cache: cache,
      environment: ProcessInfo.processInfo.environment,
      pause: { try await Task.sleep(for: .seconds($0)) },
      willRetry: willRetry
    )
  }

  /// The same with another environment, and another way to wait between attempts.
  package init(
    server: ChatServer,
    family: VisionModelFamily,
    limits: ChatLimits = ChatLimits(),
    cache: CacheUse = .off,
    environment: [String: String],
    pause: @escaping @Sendable (Double) async throws -> Void,
    willRetry: @escaping @Sendable (ChatRetry) -> Void = { _ in }
  ) throws(ChatError) {
    self.server = server
    self.family = family
    extraFields = try server.parsedExtraFields()
    client = try ChatClient(
      server: server,
      limits: limits,
      cache: cache,
      environment: environment,
      pause: pause,
      willRetry: willRetry
    )
  }

  /// The model and the family.
  public var name: String { "\(server.model) (\(family.name))" }

  /// What was sent, received and found in the cache so far.
  public var tally: ChatTally { client.tally }

  /// The size that is sent; the picture's own where the rule has none for it.
  public func viewSize(for image: PixelSize) -> PixelSize {
    (try? family.resize.size(for: image)) ?? image
  }

  /// Draws answers, with as many requests as the server needs for them.
  ///
  /// - Returns: exactly `count` answers.
  /// - Throws: `GroundingPolicyError`, `ResizeError`, `ChatError`, `CancellationError`.
  public nonisolated(nonsending) func sample(
    _ request: GroundingRequest,
    count: Int,
    options: GroundingSampling
  ) async throws -> [GroundingSample] {
    try options.check(count: count)
    let (choices, sent) = try await answers(to: request, count: count, options: options)
    return choices.map { sample($0, sent: sent, shown: request.image.size) }
  }

  /// The texts of answers, and the size of the picture that was sent.
  ///
  /// Off the caller's executor: encoding a large picture takes a while.
  @concurrent
  func answers(
    to request: GroundingRequest,
    count: Int,
    options: GroundingSampling
  ) async throws -> (choices: [CountedChoice], sent: PixelSize) {
    let sent = try family.resize.size(for: request.image.size)
    let body = try body(request, sent: sent, options: options)
    let choices = try await client.choices(
      body.request,
      count: count,
      seed: options.seed,
      support: server.choices
    )
    return (choices.map { $0.beginning(with: body.beginning) }, sent)
  }

  private func body(
    _ request: GroundingRequest,
    sent: PixelSize,
    options: GroundingSampling
  ) throws -> (request: ChatRequestBody, beginning: String) {
    let png = try request.image.resized(to: sent).png()
    let picture = "data:image/png;base64," + Data(png).base64EncodedString()
    return body(request.instruction, picture: picture, sent: sent, options: options)
  }

  /// The body for a picture that is a URL already.
  package func body(
    _ instruction: String,
    picture: String,
    sent: PixelSize,
    options: GroundingSampling
  ) -> (request: ChatRequestBody, beginning: String) {
    let prompt = ChatPrompt(
      family.template,
      instruction,
      size: sent,
      picture: picture,
      coordinates: family.coordinates,
      prefill: server.prefill
    )
    let request = ChatRequestBody(
      server: server,
      prompt: prompt,
      options: options,
      extra: extraFields
    )
    return (request, prompt.beginning)
  }
}

extension CountedChoice {
  /// The answer with what was put into the model's mouth, which most servers leave out.
  fileprivate func beginning(with text: String) -> CountedChoice {
    var whole = self
    if !choice.text.hasPrefix(text) { whole.choice.text = text + choice.text }
    return whole
  }
}
