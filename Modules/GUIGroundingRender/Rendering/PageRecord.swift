import Checkpoints
import GUIGrounding

/// What rendering one page gave: a line of the journal.
struct PageRecord: Sendable {
  /// The set of the page.
  var setName: String
  /// The page in it.
  var page: String
  /// Why the page gave nothing, in a few words that other pages share; nil for one that was rendered.
  var failure: String?
  /// The same with all that is known.
  var detail: String?
  /// The pictures that were kept, each with its rows.
  var shots: [ShotRecord]
  /// Pictures with too few elements.
  var sparseShots: Int

  /// By what the journal knows the page.
  var key: String { setName + "\n" + page }
}

/// One picture and its rows.
struct ShotRecord: Sendable {
  /// The picture, relative to the folder of the run.
  var image: String
  /// The rows of `elements.jsonl`.
  var rows: [JSONValue]
  /// Elements that the page has in view, whether kept or not.
  var foundCount: Int
  /// Elements without an instruction that names only them.
  var ambiguousCount: Int
  /// Elements that were not in the same place before and after the picture was taken.
  var movedCount: Int
  /// What was rejected, by the reason.
  var rejected: [String: Int]
  /// Where the names of the kept elements come from.
  var nameSources: [String: Int]
}

extension PageRecord {
  var json: JSONValue {
    var object: JSONObject = ["set": .string(setName), "page": .string(page)]
    if let failure { object["failure"] = .string(failure) }
    if let detail { object["detail"] = .string(detail) }
    object["sparse"] = .integer(Int64(sparseShots))
    object["shots"] = .array(shots.map(\.json))
    return .object(object)
  }

  init?(_ json: JSONValue) {
    guard let set = json["set"]?.stringValue, let page = json["page"]?.stringValue,
      let shots = json["shots"]?.arrayValue
    else { return nil }
    setName = set
    self.page = page
    failure = json["failure"]?.stringValue
    detail = json["detail"]?.stringValue
    sparseShots = json["sparse"]?.countValue ?? 0
    self.shots = shots.compactMap { ShotRecord($0) }
    guard self.shots.count == shots.count else { return nil }
  }
}

extension ShotRecord {
  fileprivate var json: JSONValue {
    [
      "image": .string(image), "found": .integer(Int64(foundCount)),
      "ambiguous": .integer(Int64(ambiguousCount)), "moved": .integer(Int64(movedCount)),
      "rejected": Self.json(rejected), "names": Self.json(nameSources), "rows": .array(rows),
    ]
  }

  fileprivate init?(_ json: JSONValue) {
    guard let image = json["image"]?.stringValue, let rows = json["rows"]?.arrayValue else {
      return nil
    }
    self.image = image
    self.rows = rows
    foundCount = json["found"]?.countValue ?? 0
    ambiguousCount = json["ambiguous"]?.countValue ?? 0
    movedCount = json["moved"]?.countValue ?? 0
    rejected = Self.counts(json["rejected"])
    nameSources = Self.counts(json["names"])
  }

  private static func json(_ counts: [String: Int]) -> JSONValue {
    let sorted = counts.sorted { $0.key < $1.key }
    return .object(JSONObject(sorted.map { ($0.key, .integer(Int64($0.value))) }))
  }

  private static func counts(_ json: JSONValue?) -> [String: Int] {
    let pairs = json?.objectValue.map(Array.init) ?? []
    return Dictionary(pairs.map { ($0.key, $0.value.countValue ?? 0) }) { $0 + $1 }
  }
}

extension JSONValue {
  /// A number of things; nil for one that sums of such numbers could not hold.
  ///
  /// Scripts of pages and files from elsewhere may say anything, and what they say is added up.
  var countValue: Int? { intValue.flatMap { (0...1 << 40).contains($0) ? $0 : nil } }
}
