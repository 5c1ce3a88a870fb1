import GUIGrounding
import Support

/// The processor time that policies take for the same pages, page by page in turns.
struct SpeedMeasurement {
  let policies: [NativeGroundingPolicy]
  /// The numbers of responses to a page.
  let samples: [Int]
  private(set) var pageCount = 0
  /// Seconds to read a page, by policy.
  private(set) var readingSeconds: [Double]
  /// Seconds to read a page and to give responses, by policy and number of responses.
  private(set) var seconds: [[Double]]
  private var isWarm = false

  init(policies: [NativeGroundingPolicy], samples: [Int]) {
    (self.policies, self.samples) = (policies, samples)
    readingSeconds = policies.map { _ in 0 }
    seconds = policies.map { _ in samples.map { _ in 0 } }
  }

  /// Lets all policies answer a page.
  ///
  /// - Throws: what policies throw.
  mutating func measure(_ page: SyntheticPage) throws {
    let request = GroundingRequest(image: page.image, instruction: page.instruction.text)
    if !isWarm {
      // The first answer pages memory in.
      for policy in policies { _ = try answerSeconds(policy, request, count: 1, tokens: 256) }
      isWarm = true
    }
    for (index, policy) in policies.enumerated() {
      readingSeconds[index] += try answerSeconds(policy, request, count: 1, tokens: 1)
    }
    for (place, count) in samples.enumerated() {
      for (index, policy) in policies.enumerated() {
        seconds[index][place] += try answerSeconds(policy, request, count: count, tokens: 256)
      }
    }
    pageCount += 1
  }

  private func answerSeconds(
    _ policy: NativeGroundingPolicy,
    _ request: GroundingRequest,
    count: Int,
    tokens: Int
  ) throws -> Double {
    var options = GroundingSampling(temperature: count == 1 ? 0 : 1, maxTokens: tokens)
    options.seed = UInt64(pageCount)
    let start = processSeconds()
    _ = try policy.respond(to: request, count: count, options: options)
    return processSeconds() - start
  }
}

/// What `speed` writes.
struct SpeedReport: Encodable {
  struct Row: Encodable {
    var model: String
    var policy: String
    /// The responses to a page.
    var samples: Int
    var responsesPerSecond: Double
    /// Times that many of the first model.
    var ratio: Double
    /// Milliseconds for a page, and those of them that reading it takes.
    var pageMilliseconds: Double
    var readingMilliseconds: Double
  }

  var pages: Int
  var rows: [Row]

  init(_ measurement: SpeedMeasurement, models: [String]) {
    pages = measurement.pageCount
    let count = Double(max(pages, 1))
    rows = measurement.samples.enumerated().flatMap { place, samples in
      models.enumerated().map { index, model in
        let (seconds, first) = (measurement.seconds[index][place], measurement.seconds[0][place])
        return Row(
          model: model,
          policy: measurement.policies[index].name,
          samples: samples,
          responsesPerSecond: seconds > 0 ? Double(samples) * count / seconds : 0,
          ratio: seconds > 0 ? first / seconds : 1,
          pageMilliseconds: 1000 * seconds / count,
          readingMilliseconds: 1000 * measurement.readingSeconds[index] / count
        )
      }
    }
  }

  var table: Table {
    var table = Table([
      "model", "policy", .number("responses"), .number("a second"), .number("ratio"),
      .number("ms a page"), .number("reading it"),
    ])
    for row in rows {
      table.add(
        row.model,
        row.policy,
        "\(row.samples)",
        row.responsesPerSecond.fixed(0),
        row.ratio.fixed(2),
        row.pageMilliseconds.fixed(2),
        row.readingMilliseconds.fixed(2)
      )
    }
    return table
  }
}
