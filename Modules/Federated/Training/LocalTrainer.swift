import Autograd
import Tensor

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
    if job.model.plan.width?.pattern == .ordered { run.prefixes = try prefixes(of: job) }
    if job.settings.method == .gradient { return run.gradient() }
    return run.descend(shouldStop)
  }

  /// A network of a local model's shapes.
  func network(for model: LocalModel) throws(LocalTrainingError) -> CachedNetwork {
    var (names, shapes) = ([String](), [Shape]())
    for global in model.globalShapes {
      guard let slice = model.slices[global.name] else { continue }
      names.append(global.name)
      shapes.append(slice.partShape(of: global.shape))
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
  private func prefixes(of job: LocalJob) throws(LocalTrainingError) -> [PrefixNetwork] {
    let rates = OrderedDropout(levels: job.settings.levels, upTo: job.rate).rates
    let slicing = WidthSlicing(task.model)
    var result: [PrefixNetwork] = []
    for rate in rates {
      guard rate < job.rate else {
        result.append(PrefixNetwork(coverage: nil, network: nil))
        continue
      }
      let coverage: CoverageSet
      do throws(FederatedError) { coverage = try slicing.prefix(rate, of: job.model.plan) } catch {
        throw .parameters(error)
      }
      var (names, shapes) = ([String](), [Shape]())
      for global in job.model.globalShapes {
        guard let slice = job.model.slices[global.name] else { continue }
        let shape = slice.partShape(of: global.shape)
        names.append(global.name)
        shapes.append(coverage[global.name]?.partShape(of: shape) ?? shape)
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
