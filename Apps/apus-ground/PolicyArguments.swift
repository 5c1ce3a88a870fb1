import ArgumentParser
import Autograd
import Foundation
import GUIGrounding
import GUIGroundingRemote
import Support

/// What kind of server is asked: how many answers it gives to one request.
enum ServerKind: String, ExpressibleByArgument, CaseIterable {
  case vLLM = "vllm"
  case llamaCpp = "llama.cpp"
  case other
}

/// Which policy answers.
struct PolicyArguments: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "A native policy: its file or the folder of its run. With --endpoint the model's name.",
      valueName: "model"
    )
  )
  var model: String
  @OptionGroup(title: "Server") var remote: RemoteArguments

  func validate() throws {
    guard !model.isEmpty else { throw ValidationError("--model must not be empty") }
  }

  /// The policy, ready to be asked; where answers are weighed by their probability, for that too.
  func load(weighted: Bool = false) throws -> LoadedPolicy {
    if let policy = try remote.policy(model: model, weighted: weighted) { return .remote(policy) }
    return .native(try NativeFile.read(model))
  }

  /// What results are kept under: results of another file of the same name do not count.
  func identity() throws -> String {
    if let endpoint = remote.endpoint { return "\(model) at \(endpoint), \(remote.description)" }
    let path = NativeFile.path(model)
    guard let bytes = FileManager.default.contents(atPath: path) else { return model }
    // FNV-1a of 64 bits.
    let hash = bytes.reduce(0xCBF2_9CE4_8422_2325 as UInt64) { hash, byte in
      (hash ^ UInt64(byte)) &* 0x100_0000_01B3
    }
    return "native policy \(String(hash, radix: 16))"
  }
}

/// A policy of either kind.
enum LoadedPolicy {
  case native(NativeGroundingPolicy)
  case remote(RemoteGroundingPolicy)

  var policy: any GroundingPolicy {
    switch self {
    case .native(let policy): policy
    case .remote(let policy): policy
    }
  }

  /// The shortest side of a crop that has something to win.
  ///
  /// A native policy sees a small view: a crop as large as that is shown in full. Vision models
  /// take pictures of any size, and get the search's own bound.
  var minimumCropSide: Int? {
    guard case .native(let policy) = self else { return nil }
    return policy.configuration.view.longerSide
  }
}

/// Native policies on the disk.
enum NativeFile {
  static let name = "policy.safetensors"

  /// The file that a path means: itself, or the one in the folder of a run.
  static func path(_ path: String) -> String {
    var isFolder = ObjCBool(false)
    let exists = FileManager.default.fileExists(atPath: path, isDirectory: &isFolder)
    return exists && isFolder.boolValue ? path + "/" + name : path
  }

  /// A policy that answers, whatever its layers hold.
  static func read(_ place: String) throws -> NativeGroundingPolicy {
    let file = try open(place)
    let policy =
      if let document = file.quantization {
        try PolicyQuantization.policy(of: file, document)
      } else {
        try NativeGroundingPolicy(file, layers: file)
      }
    policy.eval()
    return policy
  }

  /// A policy in full precision, to be trained or rounded.
  static func readFloats(_ place: String) throws -> NativeGroundingPolicy {
    let file = try open(place)
    guard file.quantization == nil else { throw NativePolicyError.quantized(path: file.path) }
    let policy = try NativeGroundingPolicy(file, layers: file)
    policy.eval()
    return policy
  }

  private static func open(_ place: String) throws -> NativePolicyFile {
    let path = path(place)
    guard FileManager.default.fileExists(atPath: path) else {
      let advice =
        path == place
        ? "name the file of a native policy or the folder of its run, or add --endpoint"
        : "the run has not ended; run its command again"
      throw CommandFailure("model \(path.printable): there is no such file; \(advice)")
    }
    return try NativePolicyFile(path: path)
  }
}

/// How a vision model is asked.
struct RemoteArguments: ParsableArguments {
  @Option(help: ArgumentHelp("The server's base URL, usually ending in /v1.", valueName: "url"))
  var endpoint: String?
  @Option(
    help: ArgumentHelp(
      "The certificates to trust instead of the system's, for an https endpoint (PEM).",
      valueName: "file"
    )
  )
  var authority: String?
  @Option(
    help: ArgumentHelp(
      "What the model is: \(VisionModelFamily.all.map(\.name).joined(separator: ", ")).",
      valueName: "family"
    )
  )
  var family = "qwen2.5-vl"
  @Option(help: "The prompt. (default: the family's)")
  var template: PromptTemplate?
  @Option(help: "What the numbers of answers mean. (default: the family's; see 'calibrate')")
  var space: CoordinateSpace?
  @Option(help: "Which coordinate comes first. (default: the family's)")
  var order: CoordinateOrder?
  @Option(help: "The fewest pixels that the server's own resizing leaves. (default: the family's)")
  var minPixels: Int?
  @Option(help: "The most pixels that the server's own resizing leaves. (default: the family's)")
  var maxPixels: Int?
  @Option(help: "The kind of server.")
  var server = ServerKind.other
  @Option(help: "The slots of a llama.cpp server (--parallel).")
  var slots = 1
  @Option(help: ArgumentHelp("The environment variable that holds the key.", valueName: "name"))
  var keyVariable: String?
  @Option(help: ArgumentHelp("Further fields of each request.", valueName: "json"))
  var extraFields = "{}"
  @Option(
    help: ArgumentHelp("Keep replies in this folder and use them again.", valueName: "folder")
  )
  var cache: String?
  @Flag(help: "Use replies of the cache only.")
  var offline = false
  @Flag(help: "Ask for the probabilities of answers.")
  var logProbabilities = false
  @Option(help: "Seconds that a reply may take.")
  var timeout = 120.0
  @Option(help: "How often a request is sent again at most.")
  var retries = 4
  @Option(help: "The most requests under way.")
  var concurrency = 4

  func validate() throws {
    guard VisionModelFamily.named(family) != nil else {
      let names = VisionModelFamily.all.map(\.name).joined(separator: ", ")
      throw ValidationError("--family \(family) is unknown; there are \(names)")
    }
    guard timeout > 0, timeout < 1e6 else { throw ValidationError("--timeout must be above 0") }
    guard (0...100).contains(retries) else { throw ValidationError("--retries must be 0 to 100") }
    guard (1...1024).contains(concurrency), (1...1024).contains(slots) else {
      throw ValidationError("--concurrency and --slots must be 1 to 1024")
    }
    guard !offline || cache != nil else { throw ValidationError("--offline needs --cache") }
    if endpoint == nil, cache != nil { throw ValidationError("--cache needs --endpoint") }
    if authority != nil, endpoint?.lowercased().hasPrefix("https://") != true {
      throw ValidationError("--authority needs an --endpoint that begins with https://")
    }
  }

  /// What decides answers, in words.
  var description: String {
    let space = space.map { ", \($0.rawValue)" } ?? ""
    let order = order.map { ", \($0.rawValue)" } ?? ""
    let template = template.map { ", \($0.rawValue)" } ?? ""
    let pixels = "\(minPixels.map(String.init) ?? "")–\(maxPixels.map(String.init) ?? "")"
    // The kind of server decides how answers begin, and how many come of one request.
    let probabilities = logProbabilities ? ", with probabilities" : ""
    return
      "\(family)\(template)\(space)\(order), pixels \(pixels), \(extraFields), \(server.rawValue)"
      + probabilities
  }

  /// The policy; nil without an endpoint.
  func policy(model: String, weighted: Bool = false) throws -> RemoteGroundingPolicy? {
    guard let endpoint else { return nil }
    var server =
      switch server {
      case .vLLM: ChatServer.vLLM(baseURL: endpoint, model: model)
      case .llamaCpp: ChatServer.llamaCpp(baseURL: endpoint, model: model, slots: slots)
      case .other: ChatServer(baseURL: endpoint, model: model)
      }
    server.keyVariable = keyVariable
    server.authority = authority
    server.extraFields = extraFields
    server.wantsLogProbabilities = logProbabilities || weighted
    var limits = ChatLimits(requestSeconds: timeout, concurrentRequests: concurrency)
    limits.retries.limit = retries
    let use: CacheUse =
      cache.map { offline ? .readOnly(folder: $0) : .readAndWrite(folder: $0) } ?? .off
    if let cache, !offline { try makeOutputFolder(cache) }
    let notices = RetryNotices()
    return try RemoteGroundingPolicy(
      server: server,
      family: try chosenFamily(),
      limits: limits,
      cache: use,
      willRetry: { notices.show($0) }
    )
  }

  private func chosenFamily() throws -> VisionModelFamily {
    guard var family = VisionModelFamily.named(family) else {
      throw CommandFailure("family \(family.printable) is unknown")
    }
    if let template { family.template = template }
    if let space { family.coordinates.space = space }
    if let order { family.coordinates.order = order }
    guard minPixels != nil || maxPixels != nil else { return family }
    guard case .smart(let factor, let least, let most) = family.resize else {
      throw CommandFailure("--min-pixels and --max-pixels: \(family.name) takes any size")
    }
    family.resize = .smart(
      factor: factor,
      minimumPixels: minPixels ?? least,
      maximumPixels: maxPixels ?? most
    )
    _ = try family.resize.size(for: PixelSize(width: 1000, height: 1000))
    return family
  }
}
