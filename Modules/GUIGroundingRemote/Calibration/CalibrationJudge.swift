import GUIGrounding

extension CalibrationReport {
  /// The share of questions that a convention must explain.
  static let explainedShare = 0.8
  /// The share that every other convention must stay below.
  static let otherShare = 0.5
  /// Up to which factor two mean errors differ by chance.
  static let scatterFactor = 1.5
  /// How far an answer may be from a straight line, as a share of the square's side.
  static let fitShare = 0.25

  /// Judges answers by which space and order put them into their squares.
  public init(_ answers: [CalibrationAnswer]) {
    var hypotheses = Self.hypotheses(answers)
    // Thousandths and 999ths differ by less than answers scatter. Where the scatter decides, and not a
    // difference, thousandths are what most models mean.
    if let best = hypotheses.first, best.convention.space == .nine99,
      let place = hypotheses.firstIndex(where: {
        $0.convention == CoordinateConvention(.thousand, order: best.convention.order)
      }), hypotheses[place].hits == best.hits,
      hypotheses[place].meanError <= Self.scatterFactor * best.meanError
    {
      hypotheses.insert(hypotheses.remove(at: place), at: 0)
    }
    let count = Double(answers.count)
    let best = hypotheses.first
    let equivalents = best.map { Self.equivalents(of: $0.convention) } ?? []
    let rivals = hypotheses.dropFirst().filter { !equivalents.contains($0.convention) }
    let fits = Self.fits(answers)
    let answered = answers.filter { $0.written != nil }.count
    self.answers = answers
    self.hypotheses = hypotheses
    self.equivalents = equivalents
    self.fits = fits
    if Double(answered) < count / 2 || answers.isEmpty {
      verdict = .unanswered
    } else if let best, Double(best.hits) >= Self.explainedShare * count {
      let rival = rivals.map(\.hits).max() ?? 0
      verdict = Double(rival) < Self.otherShare * count ? .clear : .ambiguous
    } else if !fits.isEmpty, fits.allSatisfy({ Self.isStraight($0) }) {
      verdict = .resized
    } else {
      verdict = .unexplained
    }
  }

  private static func hypotheses(_ answers: [CalibrationAnswer]) -> [CalibrationHypothesis] {
    // Pixels of the image and of the input are the same: what was sent is what is asked about.
    let spaces = CoordinateSpace.allCases.filter { $0 != .imagePixels }
    let all = spaces.flatMap { space in
      CoordinateOrder.allCases.map { order in
        hypothesis(CoordinateConvention(space, order: order), answers)
      }
    }
    return all.enumerated().sorted { left, right in
      (-left.element.hits, left.element.meanError, left.offset)
        < (-right.element.hits, right.element.meanError, right.offset)
    }.map(\.element)
  }

  private static func hypothesis(
    _ convention: CoordinateConvention,
    _ answers: [CalibrationAnswer]
  ) -> CalibrationHypothesis {
    var hits = 0
    var errors: [Double] = []
    for answer in answers {
      guard let written = answer.written else { continue }
      let point = convention.toView(written, view: answer.size, source: answer.size)
      if answer.box.contains(point) { hits += 1 }
      let error = answer.box.center.distance(to: point) / Double(answer.size.longerSide)
      // A point beyond all reason must not make the mean infinite, which JSON lacks.
      errors.append(min(error, 1000))
    }
    let mean = errors.isEmpty ? 1000 : errors.reduce(0, +) / Double(errors.count)
    return CalibrationHypothesis(convention: convention, hits: hits, meanError: mean)
  }

  private static func equivalents(
    of convention: CoordinateConvention
  ) -> [CoordinateConvention] {
    let spaces: [CoordinateSpace] =
      switch convention.space {
      case .inputPixels: [.imagePixels]
      case .imagePixels: [.inputPixels]
      case .thousand: [.nine99]
      case .nine99: [.thousand]
      case .unit, .hundred: []
      }
    return spaces.map { CoordinateConvention($0, order: convention.order) }
  }

  // MARK: - Straight lines

  private static func isStraight(_ fit: CalibrationFit) -> Bool {
    let side = Double(min(fit.sent.width, fit.sent.height)) * 0.16
    return fit.extent.x > 0 && fit.extent.y > 0 && fit.residual <= fitShare * side
  }

  private static func fits(_ answers: [CalibrationAnswer]) -> [CalibrationFit] {
    var pages: [PixelSize] = []
    for answer in answers where !pages.contains(answer.size) { pages.append(answer.size) }
    return pages.compactMap { size in
      let ofPage = answers.filter { $0.size == size }
      let known = ofPage.compactMap { answer in
        answer.written.map { (place: answer.box.center, written: $0) }
      }
      guard known.count == ofPage.count, known.count >= 3,
        let x = line(known.map { ($0.place.x, $0.written.x) }),
        let y = line(known.map { ($0.place.y, $0.written.y) })
      else { return nil }
      let residuals = known.map { pair in
        GroundingPoint(
          x: (pair.written.x - x.origin) / x.slope,
          y: (pair.written.y - y.origin) / y.slope
        ).distance(to: pair.place)
      }
      return CalibrationFit(
        sent: size,
        extent: GroundingPoint(
          x: x.slope * Double(size.width),
          y: y.slope * Double(size.height)
        ),
        origin: GroundingPoint(x: x.origin, y: y.origin),
        residual: min(residuals.max() ?? 0, 1e6)
      )
    }
  }

  /// The line through pairs by least squares; nil for one that does not rise or fall.
  private static func line(_ pairs: [(Double, Double)]) -> (slope: Double, origin: Double)? {
    let count = Double(pairs.count)
    let mean = pairs.reduce((0, 0)) { ($0.0 + $1.0 / count, $0.1 + $1.1 / count) }
    var (covariance, variance) = (0.0, 0.0)
    for pair in pairs {
      covariance += (pair.0 - mean.0) * (pair.1 - mean.1)
      variance += (pair.0 - mean.0) * (pair.0 - mean.0)
    }
    let slope = covariance / variance
    guard slope.isFinite, abs(slope) > 1e-9 else { return nil }
    return (slope, mean.1 - slope * mean.0)
  }
}
