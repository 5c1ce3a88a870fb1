import Autograd
import Tensor

/// Batch normalization that tracks nothing while it is trained.
///
/// Running statistics of models of several widths are no averages of each other. So training uses
/// each batch's own statistics, and before a model is used its statistics are queried once, over
/// data that went through it batch by batch:
///
///     mean = Σ n_b m_b / Σ n_b      variance = Σ n_b (v_b + m_b²) / Σ n_b − mean²
///
/// - Source: Diao et al. 2021, "HeteroFL", section 3 ("sBN").
final class StaticBatchNorm: ChannelNorm {
  enum Mode {
    /// The batch's own statistics.
    case batch
    /// The same, and they are summed up.
    case query
    /// The statistics of the last query.
    case fixed
  }

  let weight: Parameter
  let bias: Parameter
  var mode = Mode.batch
  /// What `fixed` uses.
  var statistics: RunningStatistics
  private var sums: [Double]
  private var squares: [Double]
  private var total = 0.0

  init(channels: Int) {
    weight = Parameter(.ones([channels]))
    bias = Parameter(.zeros([channels]))
    statistics = RunningStatistics(channelCount: channels)
    sums = [Double](repeating: 0, count: channels)
    squares = sums
  }

  func visitParameters(_ visitor: ModuleVisitor) {
    visitor.visit("weight", weight)
    visitor.visit("bias", bias)
  }

  func callAsFunction(_ input: Variable) -> Variable {
    if mode == .fixed {
      return batchNorm(input, weight: weight.variable, bias: bias.variable, using: statistics)
    }
    var batch = RunningStatistics(channelCount: weight.count)
    let output = batchNorm(
      input,
      weight: weight.variable,
      bias: bias.variable,
      updating: &batch,
      momentum: 1
    )
    if mode == .query { add(batch, count: input.count / weight.count) }
    return output
  }

  private func add(_ batch: RunningStatistics, count: Int) {
    let n = Double(count)
    let (means, variances) = (batch.mean.elements, batch.variance.elements)
    for channel in means.indices {
      let mean = Double(means[channel])
      // By n − 1, as running variances are.
      let variance = Double(variances[channel]) * (n - 1) / n
      sums[channel] += n * mean
      squares[channel] += n * (variance + mean * mean)
    }
    total += n
  }

  /// Ends a query: its sums become the statistics.
  func finishQuery() {
    if total > 0 {
      let means = sums.map { $0 / total }
      let variances = zip(squares, means).map { max(0, $0 / total - $1 * $1) }
      statistics = RunningStatistics(
        mean: Tensor(means.map { Float($0) }),
        variance: Tensor(variances.map { Float($0) })
      )
    }
    sums = [Double](repeating: 0, count: sums.count)
    squares = sums
    total = 0
    mode = .fixed
  }
}
