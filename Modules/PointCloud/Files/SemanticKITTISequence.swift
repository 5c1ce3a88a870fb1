import Checkpoints
import Foundation

/// A sequence of SemanticKITTI: its scans, labels, poses and calibration.
///
///     ROOT/sequences/08/velodyne/000000.bin …
///     ROOT/sequences/08/labels/000000.label …
///     ROOT/sequences/08/poses.txt, calib.txt
public struct SemanticKITTISequence: Sendable {
  /// The sequences that models are trained on.
  public static let trainingNumbers = [0, 1, 2, 3, 4, 5, 6, 7, 9, 10]
  /// The sequences that models are validated on.
  public static let validationNumbers = [8]

  /// The folder of the sequence.
  public let folder: String
  /// The names of its scans without their ending, sorted: `000000`.
  public let scanNames: [String]

  /// The sequence with a number in a data set.
  ///
  /// - Throws: `PointFileError` when there is no such folder or no scan in it.
  public init(root: String, number: Int) throws(PointFileError) {
    try self.init(folder: root + "/sequences/" + (number < 10 ? "0" : "") + "\(number)")
  }

  /// The sequence in a folder.
  ///
  /// - Throws: `PointFileError` when the folder has no `velodyne` or no scan in it.
  public init(folder: String) throws(PointFileError) {
    let scans = folder + "/velodyne"
    var isFolder: ObjCBool = false
    guard FileManager.default.fileExists(atPath: scans, isDirectory: &isFolder) else {
      throw .unreadable(path: scans, .missing)
    }
    let files = try? FileManager.default.contentsOfDirectory(atPath: scans)
    guard isFolder.boolValue, let files else { throw .unreadable(path: scans, .notPermitted) }
    self.folder = folder
    scanNames = files.filter { $0.hasSuffix(".bin") }.map { String($0.dropLast(4)) }.sorted()
    if scanNames.isEmpty {
      throw .malformed(path: scans, place: nil, reason: "the folder has no .bin file")
    }
  }

  /// The number of scans.
  public var count: Int { scanNames.count }

  /// The file of a scan.
  public func scanPath(at index: Int) -> String {
    "\(folder)/velodyne/\(scanNames[index]).bin"
  }

  /// The file of a scan's labels.
  public func labelPath(at index: Int) -> String {
    "\(folder)/labels/\(scanNames[index]).label"
  }

  /// The file that the benchmark expects a scan's predictions in, below a folder of results.
  public func predictionPath(at index: Int, in results: String) -> String {
    let number = URL(fileURLWithPath: folder).lastPathComponent
    return "\(results)/sequences/\(number)/predictions/\(scanNames[index]).label"
  }

  /// Whether a scan has labels.
  public func hasLabels(at index: Int) -> Bool {
    FileManager.default.fileExists(atPath: labelPath(at: index))
  }

  /// A scan, with its labels if there are any.
  ///
  /// - Throws: `PointFileError` when a file cannot be read or is damaged.
  public func scan(at index: Int) throws(PointFileError) -> LidarScan {
    try LidarScan(
      kitti: scanPath(at: index),
      labels: hasLabels(at: index) ? labelPath(at: index) : nil,
      floatsPerPoint: 4
    )
  }

  /// The matrices of `calib.txt` by their names: `P0` to `P3`, `Tr` (from the LiDAR to camera 0).
  ///
  /// - Throws: `PointFileError` when the file is missing or damaged.
  public func calibration() throws(PointFileError) -> [String: LidarPose] {
    var matrices: [String: LidarPose] = [:]
    try forEachLine(of: folder + "/calib.txt") { words, path, line throws(PointFileError) in
      guard let name = words.first, name.hasSuffix(":") else {
        throw .malformed(path: path, place: .line(line), reason: "no name with a colon")
      }
      matrices[String(name.dropLast())] = try pose(words.dropFirst(), path, line)
    }
    return matrices
  }

  /// The pose of camera 0 at each scan in the frame of camera 0 at the first, from `poses.txt`.
  ///
  /// - Throws: `PointFileError` when the file is missing or damaged.
  public func cameraPoses() throws(PointFileError) -> [LidarPose] {
    var poses: [LidarPose] = []
    try forEachLine(of: folder + "/poses.txt") { words, path, line throws(PointFileError) in
      poses.append(try pose(words[...], path, line))
    }
    return poses
  }

  /// The pose of the LiDAR at each scan in its frame at the first: Tr⁻¹ · pose · Tr.
  ///
  /// - Throws: `PointFileError` when `poses.txt` or `calib.txt` is missing or damaged.
  public func lidarPoses() throws(PointFileError) -> [LidarPose] {
    guard let toCamera = try calibration()["Tr"] else {
      throw .malformed(path: folder + "/calib.txt", place: nil, reason: "the file has no Tr")
    }
    let back = toCamera.inverse
    return try cameraPoses().map { back * $0 * toCamera }
  }
}

/// The largest text of poses that is read: a sequence of a day has less.
private let largestText = 1 << 28

private func forEachLine(
  of path: String,
  _ body: (_ words: [Substring], _ path: String, _ line: Int) throws(PointFileError) -> Void
) throws(PointFileError) {
  let file = try MappedFile(pointsAt: path)
  guard file.bytes.count <= largestText else {
    throw .unsupported(path: path, what: "a text of \(file.bytes.count) bytes", advice: "split it")
  }
  let lines = file.bytes.split(separator: 0x0A, omittingEmptySubsequences: false)
  for (index, line) in lines.enumerated() {
    let words = String(decoding: line, as: UTF8.self).split { $0.isWhitespace }
    if !words.isEmpty { try body(words, path, index + 1) }
  }
}

private func pose(
  _ words: ArraySlice<Substring>,
  _ path: String,
  _ line: Int
) throws(PointFileError) -> LidarPose {
  let numbers = words.compactMap { Double($0) }.filter(\.isFinite)
  if numbers.count == 12, words.count == 12 { return LidarPose(rows: numbers) }
  let reason = "\(words.count) words, expected the 12 numbers of a 3 × 4 matrix"
  throw .malformed(path: path, place: .line(line), reason: reason)
}
