import Checkpoints
import Foundation
import PointCloud
import Tensor

extension FuzzTarget {
  static let points = [
    points("pcd", "fuzz.pcd", PointSamples.pcd, words: pcdWords),
    points("ply", "fuzz.ply", PointSamples.ply, words: plyWords),
    points("las", "fuzz.las", PointSamples.las),
    points("kitti", "fuzz.bin", [PointSamples.floats([1, 2, 3, 0.5, 4, 5, 6, 0.25])]),
    points("nuscenes", "fuzz.pcd.bin", [PointSamples.floats([1, 2, -3, 50, 0, 4, 5, -6, 25, 12])]),
    pointLabels, poses, sensor, densityRange, segmenter,
  ]

  private static let pcdWords = [
    "VERSION .7", "FIELDS x y z ring label instance", "COLUMNS x y z", "SIZE 8 8 8", "TYPE I U I U",
    "COUNT 16777216 1 1 1", "WIDTH 0", "HEIGHT 0", "POINTS 3", "DATA ascii\n", "DATA binary\n",
    "DATA binary_compressed\n", "VIEWPOINT 0 0 0 1 0 0 0", "# c", "nan", "intensity", "_",
    "4294967295",
  ]

  private static let plyWords = [
    "ply\n", "format ascii 1.0\n", "format binary_little_endian 1.0\n",
    "format binary_big_endian 1.0\n", "comment c", "element vertex 2", "element face 1",
    "property float x", "property double y", "property uchar ring", "end_header\n",
    "property list uchar int n", "property list double double d", "9223372036854775807",
  ]

  private static func points(
    _ name: String,
    _ file: String,
    _ seeds: [[UInt8]],
    words: [String] = []
  ) -> FuzzTarget {
    FuzzTarget(name: name, words: words, seeds: { seeds }) { bytes in
      let path = Scratch.file(file, bytes)
      var options = ScanReadingOptions()
      options.dropsZeros = bytes.count % 2 == 0
      use(try ScanReading(contentsOf: path, options: options))
    }
  }

  // Made once: it is what takes time.
  private static let density = BeamDensity(.vlp16)

  private static func use(_ reading: ScanReading) {
    let scan = reading.scan
    demand(reading.rows.count == scan.count, "rows for other points")
    demand(scan.positions.elements.allSatisfy(\.isFinite), "a position that is not finite")
    _ = reading.spread(.zeros([scan.count]))
    _ = density(scan)
    _ = try? BeamModel(estimatedFrom: scan, name: "found")
    _ = scan.groundDepth()
    _ = try? Voxelization(scan.positions, voxelSize: 0.2)
  }

  /// Labels of three points, in each of the three formats.
  private static let pointLabels = FuzzTarget(
    name: "point-labels",
    words: ["PK\u{1}\u{2}", "PK\u{3}\u{4}", "data.npy", "'<u2'", "'<i4'"],
    seeds: {
      let npz = Samples.panopticLabels()
      return [PointSamples.integers([10 | 7 << 16, 40, 0xFFFF_FFFF]), [17, 24, 31], npz]
    }
  ) { bytes in
    for name in ["fuzz.label", "fuzz_lidarseg.bin", "fuzz_panoptic.npz"] {
      let path = Scratch.file(name, bytes)
      do {
        let labels = try LabelFile(contentsOf: path)
        let map = LabelMap.common(from: .semanticKITTI)
        _ = map.rawLabels(of: map.classes(of: labels.labels))
      } catch {
        demand(!"\(error)".isEmpty, "an error without a text")
      }
    }
  }

  /// calib.txt, a byte 0, and poses.txt.
  private static let poses = FuzzTarget(
    name: "lidar-poses",
    words: ["Tr: ", "P0: ", "nan", "inf", "1e400", "0x1p3", "\n"],
    seeds: {
      let row = "1 0 0 0 0 1 0 0 0 0 1 0"
      return [.joining("P0: \(row)\nTr: \(row)\n".utf8, "\(row)\n\(row)\n".utf8)]
    }
  ) { bytes in
    let folder = Scratch.subfolder("sequence")
    mkdir(folder + "/velodyne", 0o700)
    Scratch.file("sequence/calib.txt", bytes.halves.first)
    Scratch.file("sequence/poses.txt", bytes.halves.second)
    Scratch.file("sequence/velodyne/000000.bin", PointSamples.floats([1, 2, 3, 0.5]))
    let sequence = try SemanticKITTISequence(folder: folder)
    _ = try sequence.lidarPoses()
  }

  private static let sensor = FuzzTarget(
    name: "sensor",
    words: [
      "\"name\":", "\"elevations\":", "\"columnCount\":", "\"mountHeight\":", "\"maximumRange\":",
      "100000", "1e308", "-90",
    ],
    seeds: {
      try [BeamModel.vlp16, .hdl32e].map { model in
        try Scratch.bytes("seed") { try model.write(to: $0) }
      }
    }
  ) { bytes in
    let sensor = try BeamModel(contentsOf: Scratch.file("fuzz.json", bytes))
    // More beams and columns are sound, and take long.
    guard sensor.elevations.count <= 128, sensor.columnCount <= 4000 else { return }
    let scan = LidarScan(positions: Tensor([5, 1, -1, 3, 4, 0.5], shape: [2, 3]))
    demand(BeamDensity(sensor)(scan).elements.allSatisfy { $0 >= 0 }, "a density below 0")
  }

  /// The bounds of densities, as files and reports hold them.
  private static let densityRange = FuzzTarget(
    name: "density-range",
    words: ["\"middle\":", "\"spread\":", "1e39", "-1", "null"],
    seeds: {
      let range = DensityRange(middle: [1, 2, 3, 4], spread: [0.5, 0.25, 1, 2])
      return [[UInt8](try JSONEncoder().encode(range))]
    }
  ) { bytes in
    let range = try JSONDecoder().decode(DensityRange.self, from: Data(bytes))
    guard range.middle.count < 1000 else { return }
    _ = range.clipped(.ones([1, range.middle.count]))
  }

  private static let segmenter = FuzzTarget(
    name: "segmenter",
    words: [
      "\"segmenter\":", "\"backbone\":", "\"stemWidths\":", "\"encoderWidths\":[",
      "\"crop\":",
      "\"voxelSize\":", "\"classNames\":", "\"sensor\":", "\"densityRange\":",
      "1e-30",
      "\"mountHeight\":", "\"frontEnd\":", "\"inputWidth\":", "4294967296", "\"F32\"",
    ],
    seeds: {
      var configuration = SegmenterConfiguration(.tiny, classNames: ["none", "a", "b"])
      configuration.backbone = SparseUNetConfiguration(
        inputWidth: configuration.frontEnd.outputWidth,
        classCount: 2,
        stemWidths: [2],
        encoderWidths: [2, 3],
        decoderWidths: [3, 2]
      )
      var generator = Philox(seed: 1)
      let model = PointSegmenter(configuration, using: &generator)
      model.sensor = .vlp16
      model.sensor?.columnCount = 60
      return [try OpenSafetensors.input(Scratch.bytes("seed") { try model.write(to: $0) })]
    }
  ) { bytes in
    let model = try PointSegmenter(
      path: Scratch.file("fuzz.safetensors", OpenSafetensors.file(bytes))
    )
    var positions: [Float] = []
    for place in 0..<30 { positions += [Float(place % 7) + 1, Float(place % 5) - 2, -1] }
    let scan = LidarScan(positions: Tensor(positions, shape: [30, 3]))
    _ = try model.segment(scan, density: density)
    // More beams and columns are sound, and take long.
    guard let sensor = model.sensor, sensor.elevations.count <= 32, sensor.columnCount <= 100 else {
      return
    }
    _ = try model.segment(scan, of: sensor)
  }
}

/// Small files of points made by hand.
private enum PointSamples {
  static func integers(_ values: [UInt32]) -> [UInt8] {
    values.flatMap { value in (0..<4).map { UInt8(truncatingIfNeeded: value >> (8 * $0)) } }
  }

  static func floats(_ values: [Float]) -> [UInt8] { integers(values.map(\.bitPattern)) }

  private static func header(_ data: String) -> [UInt8] {
    Array(
      "VERSION .7\nFIELDS x y z\nSIZE 4 4 4\nTYPE F F F\nWIDTH 2\nHEIGHT 1\nDATA \(data)\n".utf8
    )
  }

  static let pcd: [[UInt8]] = [
    header("ascii") + Array("1 2 3\nnan 2 -1.5e1\n".utf8),
    header("binary") + floats([1, 2, 3, 4, 5, 6]),
    // 24 bytes as one run of literals of the LZF format.
    header("binary_compressed") + integers([25, 24]) + [23] + floats([1, 4, 2, 5, 3, 6]),
  ]

  static let ply: [[UInt8]] = {
    func header(_ format: String) -> String {
      """
      ply
      format \(format) 1.0
      comment made by hand
      element vertex 2
      property double x
      property float y
      property list uchar int n
      property float z
      property uchar ring
      element face 1
      property list uchar int vertex_indices
      end_header

      """
    }
    let ascii = header("ascii") + "1 2 0 3 5\n4 5 2 1 2 6 6\n3 0 1 1\n"
    var binary = Array(header("binary_little_endian").utf8)
    for (x, list) in [(1.5, [UInt8(0)]), (4, [1, 9, 0, 0, 0])] {
      binary += (0..<8).map { UInt8(truncatingIfNeeded: x.bitPattern >> UInt64(8 * $0)) }
      binary += floats([2]) + list + floats([3]) + [1]
    }
    return [Array(ascii.utf8), binary + [0]]
  }()

  /// Two points of LAS 1.2 in the formats 0 and 1, and of LAS 1.4 in format 6.
  static let las: [[UInt8]] = [(0, 20, 2), (1, 28, 2), (6, 30, 4)].map { format, length, minor in
    var header = [UInt8](repeating: 0, count: minor == 4 ? 375 : 227)
    func put(_ bytes: [UInt8], _ at: Int) {
      header.replaceSubrange(at..<at + bytes.count, with: bytes)
    }
    put(Array("LASF".utf8), 0)
    put([1, UInt8(minor)], 24)
    put(integers([UInt32(header.count)]), 96)
    put([UInt8(format), UInt8(length), 0, 2], 104)
    if minor == 4 { put([2], 247) }
    for axis in 0..<3 { put([0, 0, 0, 0, 0, 0, 0xE0, 0x3F], 131 + 8 * axis) }
    for point in 0..<2 {
      header += integers([2, 0xFFFF_FFFC, 6]) + [UInt8(point), 1]
      header += [UInt8](repeating: 1, count: length - 14)
    }
    return header
  }
}
