public import Autograd
public import Tensor

/// Trains local models, and measures models, on one thread.
///
/// The networks that it makes are kept by their shapes, so a thread that trains thousands of devices
/// one after another holds one network for each width. What it computes depends on the job alone.
public final class LocalTrainer {
  /// What is learned.
  public let task: any FederatedTask
  private var networks: [NetworkKey: CachedNetwork] = [:]

  private struct NetworkKey: Hashable {
    let names: [String]
    let shapes: [Shape]
  }

  final class CachedNetwork {
    let module: any FederatedNetwork
    let parameters: [NamedParameter]
    let norms: [StaticBatchNorm]

    init(_ module: any FederatedNetwork) {
      self.module = module
      parameters = module.namedParameters()
      norms = module.namedModules().compactMap { $0.module as? StaticBatchNorm }
    }
  }

  /// A trainer of a task.
  public init(_ task: any FederatedTask) { self.task = task }

  /// Trains one device's model.
  ///
  /// - Parameters:
  ///   - job: model, examples and settings.
  ///   - shouldStop: asked after each step with the number of steps done: a deadline.
  /// - Returns: what the device sends back.
  /// - Throws: `LocalTrainingError`.
  public func train(
    _ job: LocalJob,
    shouldStop: (_ steps: Int) -> Bool = { _ in false }
  ) throws(LocalTrainingError) -> ParameterUpdate {
    if let fault = job.settings.fault { throw .settings(fault) }
    let count = task.trainingCount
    if let wrong = job.examples.first(where: { !(0..<Int32(count)).contains($0) }) {
      throw .example(Int(wrong), count: count)
    }
    let network = try self.network(for: job.model)
    let weights = try parameters(of: job.model, in: network)
    for norm in network.norms { norm.mode = .batch }
    var run = LocalRun(job, network, weights, task)
    if job.settings.orderedDropout != nil, let rate = job.model.plan.width?.rate {
      run.prefixes = try prefixes(of: job, rate: rate)
    }
    if job.settings.method == .gradient { return run.gradient() }
    return run.descend(shouldStop)
  }

  /// A network of a local model's shapes.
  func network(for model: LocalModel) throws(LocalTrainingError) -> CachedNetwork {
    var (names, shapes) = ([String](), [Shape]())
    for global in model.globalShapes {
      guard let coverage = model.coverage[global.name] else { continue }
      names.append(global.name)
      let isHeldItself = model.forms[global.name] == nil
      let own = isHeldItself ? model.parameters[global.name]?.shape : nil
      shapes.append(own ?? coverage.partShape(of: global.shape))
    }
    return try network(names: names, shapes: shapes)
  }

  private func network(
    names: [String],
    shapes: [Shape]
  ) throws(LocalTrainingError) -> CachedNetwork {
    let key = NetworkKey(names: names, shapes: shapes)
    if let found = networks[key] { return found }
    do throws(FederatedTaskError) {
      let table = Dictionary(uniqueKeysWithValues: zip(names, shapes))
      let made = CachedNetwork(try task.makeNetwork(shapes: table))
      networks[key] = made
      return made
    } catch {
      throw .model(error)
    }
  }

  private func parameters(
    of model: LocalModel,
    in network: CachedNetwork
  ) throws(LocalTrainingError) -> LocalWeights {
    do throws(FederatedError) {
      return try LocalWeights(model, network: network.parameters)
    } catch {
      throw .parameters(error)
    }
  }

  /// The networks of the prefixes that ordered dropout may draw, narrowest first.
  private func prefixes(
    of job: LocalJob,
    rate: Rate
  ) throws(LocalTrainingError) -> [PrefixNetwork] {
    var result: [PrefixNetwork] = []
    for smaller in (job.settings.orderedDropout?.rates ?? []).sorted() where smaller <= rate {
      guard smaller < rate else {
        result.append(PrefixNetwork(coverage: nil, network: nil))
        continue
      }
      let coverage = task.model.prefixCoverage(smaller, within: rate)
      let names = job.model.parameters.names
      let shapes = job.model.parameters.entries.map { entry in
        coverage[entry.name]?.partShape(of: entry.tensor.shape) ?? entry.tensor.shape
      }
      result.append(
        PrefixNetwork(coverage: coverage, network: try network(names: names, shapes: shapes))
      )
    }
    return result
  }
}

/// A shorter prefix of a local model; nil stands for the whole of it.
struct PrefixNetwork {
  /// Which entries of the local tensors it has.
  let coverage: CoverageSet?
  let network: LocalTrainer.CachedNetwork?
}

extension ModelDescription {
  /// Which entries the prefix at a rate has of the prefix at a larger one, in the latter's shapes.
  func prefixCoverage(_ rate: Rate, within larger: Rate) -> CoverageSet {
    var counts: [String: (inner: Int, outer: Int)] = [:]
    for group in groups {
      counts[group.name] = (rate.ceiling(of: group.count), larger.ceiling(of: group.count))
    }
    var result = CoverageSet()
    for parameter in parameters {
      let axes = parameter.axes.map { axis -> AxisIndices in
        switch axis {
        case .whole(let extent): return AxisIndices(all: extent)
        case .channels(let name, let blocks, let positions):
          let count = counts[name] ?? (0, 0)
          return AxisIndices(prefix: count.inner, of: count.outer)
            .wired(blocks: blocks, positions: positions)
        }
      }
      result[parameter.name] = Coverage.box(axes).simplified
    }
    return result
  }
}
