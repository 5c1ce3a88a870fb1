import Foundation
import PointCloud

extension FuzzTarget {
  /// A format of points.
  private static func points(
    _ name: String,
    _ seeds: [[UInt8]],
    words: [String] = [],
    headerEnd: String? = nil,
    labels: (name: String, bytes: [UInt8])? = nil,
    _ options: ScanReadingOptions = ScanReadingOptions()
  ) -> FuzzTarget {
    FuzzTarget(
      name: name,
      seeds: seeds,
      words: words,
      headerEnd: headerEnd,
      companion: labels
    ) { path, number in
      var options = options
      if let labels {
        options.labelPath = URL(filePath: path).deletingLastPathComponent().path + "/" + labels.name
      }
      let found = try FuzzReading(path, options)
      let size = try FileManager.default.attributesOfItem(atPath: path)[.size] as? Int
      found.checkRows(byteCount: size ?? 0)
      if number % 8 == 0 { found.checkUse() }
      if number % 64 == 0 { found.checkSegmentation() }
      if number % 16 == 0 { try found.checkCopies(beside: path) }
      return found.outcome
    }
  }

  /// A format of labels, for a scan of three points.
  private static func labels(_ name: String, _ seeds: [[UInt8]]) -> FuzzTarget {
    let scan = (name: "companion.bin", bytes: PointSample.kitti)
    return FuzzTarget(name: name, seeds: seeds, companion: scan) { path, _ in
      let folder = URL(filePath: path).deletingLastPathComponent().path
      let options = ScanReadingOptions(labelPath: path)
      let found = try FuzzReading(folder + "/" + scan.name, options)
      return found.outcome + "\(found.scan.instances != nil)"
    }
  }

  private static let pcdWords = [
    "VERSION .7", "FIELDS x y z", "FIELDS x y z ring label instance", "COLUMNS x y z", "SIZE 8 8 8",
    "SIZE 4 4 4 2", "TYPE F F F", "TYPE I U I U", "COUNT 1 1 1", "COUNT 16777216 1 1 1", "WIDTH 0",
    "HEIGHT 0", "POINTS 0", "POINTS 3", "VIEWPOINT 0 0 0 1 0 0 0", "DATA ascii", "DATA binary",
    "DATA binary_compressed", "# comment", "nan", "intensity", "_", "ring",
  ]

  private static let plyWords = [
    "ply", "format ascii 1.0", "format binary_little_endian 1.0", "format binary_big_endian 1.0",
    "comment c", "obj_info o", "element vertex 2", "element face 1", "property float x",
    "property double y", "property uchar ring", "property list uchar int neighbours",
    "property list double double d", "property list int uchar z", "property int64 instance",
    "property char label", "end_header",
  ]

  /// RELLIS-3D: rows of zeros between the returns.
  private static let rellis = PointSample.floats([
    0, 0, 0, 0, 1, 2, -1, 0.5, 0, 0, 0, 0, 4, -3, 0.25, 0.125, 0, 0, 0, 0,
  ])
  private static let rellisLabels = [UInt32(0), 8, 0, 10, 0].flatMap(PointSample.bytes)
  private static let waymo = PointSample.floats([1, 2, 3, 0.1, 0, 9, 4, 5, 6, 0.2, 1, 8])

  /// Every reader of points and labels.
  static let all: [FuzzTarget] = [
    points("kitti.bin", [PointSample.kitti, PointSample.ouster]),
    points("ouster.bin", [PointSample.ouster], ScanReadingOptions(floatsPerPoint: 5)),
    points("waymo.bin", [waymo], ScanReadingOptions(floatsPerPoint: 6)),
    points(
      "nuscenes.pcd.bin",
      [PointSample.nuScenes],
      ScanReadingOptions(removesEgo: true)
    ),
    points(
      "rellis.bin",
      [rellis],
      labels: ("companion.label", rellisLabels),
      ScanReadingOptions(dropsZeros: true)
    ),
    points(
      "ascii.pcd",
      [PointSample.asciiPCD, PointSample.binaryPCD],
      words: pcdWords,
      headerEnd: "DATA"
    ),
    points("binary.pcd", [PointSample.binaryPCD], words: pcdWords, headerEnd: "DATA"),
    points("compressed.pcd", [PointSample.compressedPCD], words: pcdWords, headerEnd: "DATA"),
    points("ascii.ply", [PointSample.asciiPLY], words: plyWords, headerEnd: "end_h"),
    points(
      "binary.ply",
      [PointSample.binaryPLY(isBig: false), PointSample.binaryPLY(isBig: true)],
      words: plyWords,
      headerEnd: "end_h"
    ),
    points("old.las", [0, 1, 2, 3, 4, 5].map { PointSample.las(format: $0) }),
    points("new.las", [6, 7, 8, 9, 10].map { PointSample.las(format: $0, minor: 4, extra: 3) }),
    points(
      "unknown.xyz",
      [PointSample.asciiPCD, PointSample.asciiPLY, PointSample.las(format: 0)]
    ),
    labels("semantic.label", [PointSample.labels]),
    labels("a_lidarseg.bin", [[17, 24, 31]]),
    labels("a_panoptic.npz", [PanopticLabelTests.archive]),
  ]
}
