import Tensor

/// What scores that compare with normals need to know about them.
struct ScoreStatistics {
  /// Of z − ẑ.
  var latentChanges: Whitening?
  /// Of the differences along the path, from layer `firstLayer` on.
  var path: Whitening?
  /// The first part of the path that NAP counts; 0 is the input.
  var firstLayer = 0
  /// The directions of the classes.
  var subspaces: ClassSubspaces?
  /// Mean and deviation of the angle, then of the reconstruction error.
  var moments: [Float]?

  init() {}

  /// The widest path that is whitened.
  static let widestPath = 2_000

  /// The statistics that some scores need.
  ///
  /// - Parameters:
  ///   - scores: the scores.
  ///   - rows: training normals [N × D].
  ///   - labels: their classes, if there are any.
  ///   - validation: normals for NAP where there are fewer training rows than differences.
  ///   - networks: the networks in use.
  /// - Throws: `NoveltyError.numerics` for latents that are not finite.
  init(
    for scores: [NoveltyScore],
    rows: Tensor<Float>,
    labels: [Int32]?,
    validation: Tensor<Float>?,
    networks: Autoencoder
  ) throws(NoveltyError) {
    let collected = Collected(rows, networks, scores)
    if scores.contains(.latentWhitened) {
      latentChanges = try Whitening(of: collected.changes)
    }
    if scores.contains(.nap) {
      firstLayer = collected.firstLayer
      path = try Whitening(of: collected.differences)
      if let validation, rows.shape[0] < collected.differences.shape[1],
        validation.shape[0] > rows.shape[0]
      {
        path = try Whitening(of: Collected(validation, networks, [.nap]).differences)
      }
    }
    if scores.contains(.subspace) {
      let groups = labels.map { LabelGroups($0) } ?? LabelGroups(count: rows.shape[0])
      subspaces = try ClassSubspaces(of: collected.latents, groups)
    }
    if scores.contains(.combined) {
      moments = Self.moments(collected.angles) + Self.moments(collected.errors)
    }
  }

  private static func moments(_ values: [Float]) -> [Float] {
    let wide = values.map { Double($0) }
    let mean = wide.reduce(0, +) / Double(max(wide.count, 1))
    let squares = wide.reduce(0) { $0 + ($1 - mean) * ($1 - mean) }
    return [Float(mean), Float((squares / Double(max(wide.count - 1, 1))).squareRoot())]
  }

  /// The values of a score.
  func values(of score: NoveltyScore, _ pass: AutoencoderPass) throws(NoveltyError) -> [Float] {
    switch score {
    case .angle: return pass.angles
    case .latentL2: return pass.latentChanges.rowSquaredNorms()
    case .reconstruction: return pass.reconstructionErrors
    case .sap: return pass.pathErrors
    case .latentWhitened:
      guard let latentChanges else { throw unprepared(score) }
      return latentChanges.scores(of: pass.latentChanges)
    case .nap:
      guard let path else { throw unprepared(score) }
      return path.scores(of: .concatenating(Array(pass.differences[firstLayer...]), axis: 1))
    case .subspace:
      guard let subspaces else { throw unprepared(score) }
      return subspaces.scores(of: pass.latents).scores
    case .combined:
      guard let moments else { throw unprepared(score) }
      return zip(pass.angles, pass.reconstructionErrors).map { angle, error in
        (angle - moments[0]) / max(moments[1], .leastNormalMagnitude.squareRoot())
          + (error - moments[2]) / max(moments[3], .leastNormalMagnitude.squareRoot())
      }
    }
  }

  private func unprepared(_ score: NoveltyScore) -> NoveltyError {
    .scoreNotPrepared(score: score, reason: "list it in the configuration's scores and fit again")
  }
}

/// What the networks make of many normals, batch by batch.
private struct Collected {
  private(set) var latents = Tensor<Float>.zeros([0, 0])
  private(set) var changes = Tensor<Float>.zeros([0, 0])
  private(set) var differences = Tensor<Float>.zeros([0, 0])
  private(set) var angles: [Float] = []
  private(set) var errors: [Float] = []
  private(set) var firstLayer = 0

  init(_ rows: Tensor<Float>, _ networks: Autoencoder, _ scores: [NoveltyScore]) {
    var parts: (latents: [Tensor<Float>], changes: [Tensor<Float>], path: [Tensor<Float>])
    parts = ([], [], [])
    let needed = AutoencoderPass.Parts(for: scores)
    rows.forEachBatch(of: 512) { batch in
      let pass = AutoencoderPass(batch, through: networks, needed)
      parts.latents.append(pass.latents)
      if needed.reencoded { parts.changes.append(pass.latentChanges) }
      if scores.contains(.nap) {
        firstLayer = Self.firstLayer(of: pass.differences.map { $0.shape[1] })
        parts.path.append(.concatenating(Array(pass.differences[firstLayer...]), axis: 1))
      }
      if scores.contains(.combined) {
        angles += pass.angles
        errors += pass.reconstructionErrors
      }
    }
    latents = .concatenating(parts.latents)
    if !parts.changes.isEmpty { changes = .concatenating(parts.changes) }
    if !parts.path.isEmpty { differences = .concatenating(parts.path) }
  }

  /// The first of the parts that together are not too wide; the last one counts always.
  private static func firstLayer(of widths: [Int]) -> Int {
    var (first, width) = (widths.count - 1, widths[widths.count - 1])
    while first > 0, width + widths[first - 1] <= ScoreStatistics.widestPath {
      first -= 1
      width += widths[first]
    }
    return first
  }
}

extension ScoreStatistics {
  /// The parts of a file.
  var state: DetectorState {
    var state = DetectorState()
    if let latentChanges { state.add(latentChanges.state, under: "latents") }
    if let path {
      state.add(path.state, under: "path")
      state.integers["path.first"] = [Int32(firstLayer)]
    }
    if let subspaces { state.add(subspaces.state, under: "subspaces") }
    if let moments { state.tensors["moments"] = Tensor(moments) }
    return state
  }

  /// What a file holds, for networks whose path has the given widths.
  init(_ state: DetectorState, widths: [Int]) throws(NoveltyError) {
    let width = widths[widths.count - 1]
    func has(_ part: String) -> Bool {
      state.tensors.keys.contains { $0.hasPrefix(part + ".") }
    }
    if has("latents") { latentChanges = try Whitening(state.part("latents"), width: width) }
    if has("subspaces") { subspaces = try ClassSubspaces(state.part("subspaces"), width: width) }
    if state.tensors["moments"] != nil {
      moments = try state.tensor("moments", shape: [4]).elements
    }
    guard has("path") else { return }
    let first = try state.numbers("path.first").map { Int($0) }
    guard first.count == 1, widths.indices.contains(first[0]) else {
      throw .content(path: state.path, reason: "path.first is \(first), of \(widths.count) layers")
    }
    firstLayer = first[0]
    path = try Whitening(state.part("path"), width: widths[firstLayer...].reduce(0, +))
  }
}
