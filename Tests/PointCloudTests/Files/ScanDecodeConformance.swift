import Checkpoints
import PointCloud
import Tensor
import TestSupport
import Testing

extension PointCloudConformance {
  /// Real scans, decoded to the values of the `scan_decode*` files.
  @Suite(.enabled(if: DataFolder.has("lidar"), "\(DataFolder.skipMessage("lidar"))"))
  struct ScanDecode {
    static let cases = DecodeCase.all

    @Test func filesHoldCases() { #expect(!Self.cases.isEmpty) }

    @Test(arguments: cases.filter { $0.has("points") })
    func pointsAndStatistics(_ item: DecodeCase) throws {
      let scan = try item.reading().scan
      let expected = try item.floats("points")
      let width = expected.shape[1]
      let columns = try item.fileColumns(of: scan)
      let rows = try item.integers("index")
      for column in 0..<min(width, columns.count) {
        let found = rows.map { columns[column][Int($0)] }
        let wanted = rows.indices.map { expected.elements[$0 * width + column] }
        #expect(found == wanted, "column \(column)")
      }
      guard item.has("stats") else { return }
      let stats = try item.floats("stats").elements
      #expect(scan.count == Int(stats[0]))
      for column in 0..<min(width, columns.count) {
        let values = columns[column]
        let mean = values.reduce(0.0) { $0 + Double($1) } / Double(values.count)
        let found = [Float(mean), values.min() ?? 0, values.max() ?? 0]
        let wanted = (0..<3).map { stats[1 + $0 * width + column] }
        expectClose(found, wanted, relative: 1e-3, absolute: 1e-4, "column \(column)")
      }
    }

    @Test(arguments: cases.filter { $0.has("raw_label") })
    func labels(_ item: DecodeCase) throws {
      let scan = try item.reading().scan
      let labels = try #require(scan.labels).elements
      let instances = try #require(scan.instances).elements
      let rows = try item.integers("index").map { Int($0) }
      let words = rows.map { labels[$0] | instances[$0] << 16 }
      #expect(try item.integers("raw_label") == words)
      #expect(try item.integers("semantic") == rows.map { labels[$0] })
      #expect(try item.integers("instance") == rows.map { instances[$0] })
      let ids = Set(labels).sorted()
      #expect(try item.integers("semantic_ids") == ids)
      let counts = ids.map { id in Int32(labels.count { $0 == id }) }
      #expect(try item.integers("semantic_counts") == counts)
      let objects = Set(zip(labels, instances).filter { $0.1 > 0 }.map { $0 | $1 << 16 })
      #expect(try item.integers("instance_count") == [Int32(objects.count)])
    }

    @Test(
      arguments: cases.filter { $0.has("class10") || $0.has("class19") },
      [("class10", LabelMap.common(from: .semanticKITTI)), ("class19", .semanticKITTI19)]
    )
    func classes(_ item: DecodeCase, _ map: (name: String, map: LabelMap)) throws {
      guard item.has(map.name) else { return }
      let labels = try #require(try item.reading().scan.labels)
      let classes = map.map.classes(of: labels).elements
      let rows = try item.integers("index")
      #expect(try item.integers(map.name) == rows.map { classes[Int($0)] })
      var counts = [Int32](repeating: 0, count: map.map.classCount)
      for item in classes { counts[Int(item)] += 1 }
      #expect(try item.integers(map.name + "_counts") == counts)
    }

    @Test(arguments: cases.filter { $0.has("classification") })
    func las(_ item: DecodeCase) throws {
      let scan = try item.reading().scan
      let rows = try item.integers("index").map { Int($0) }
      #expect(try item.integers("count") == [Int32(scan.count)])
      let positions = scan.positions.elements
      let found = rows.flatMap { positions[3 * $0..<3 * $0 + 3] }
      expectClose(found, try item.floats("xyz").elements, absolute: 1e-5)
      let intensity = try #require(scan.intensity).elements
      #expect(try item.integers("intensity") == rows.map { Int32(intensity[$0]) })
      let labels = try #require(scan.labels).elements
      #expect(try item.integers("classification") == rows.map { labels[$0] })
    }

    @Test(arguments: cases.filter { $0.has("valid_count") })
    func pcd(_ item: DecodeCase) throws {
      let scan = try item.reading().scan
      let rows = try item.integers("index").map { Int($0) }
      let positions = scan.positions.elements
      let found = rows.flatMap { positions[3 * $0..<3 * $0 + 3] }
      #expect(found == (try item.floats("xyz").elements))
      let intensity = try #require(scan.intensity).elements
      #expect(try item.integers("intensity") == rows.map { Int32(intensity[$0]) })
      let rings = try #require(scan.rings).elements
      #expect(try item.integers("ring") == rows.map { rings[$0] })
      let valid = try item.reading { $0.dropsZeros = true }
      #expect(try item.integers("valid_count") == [Int32(valid.scan.count)])
      #expect(valid.zeroCount == valid.rowCount - valid.scan.count)
    }
  }
}

/// One scan of a `scan_decode*` file.
struct DecodeCase: Sendable, CustomTestStringConvertible {
  let path: String
  let name: String
  let scanFile: String
  let labelFile: String?
  let floatsPerPoint: Int?

  var testDescription: String { name }

  static var all: [DecodeCase] {
    Fixtures.names(in: "pointcloud", suffix: ".safetensors")
      .filter { $0.hasPrefix("scan_decode") }
      .flatMap { cases(in: Fixtures.file("pointcloud/" + $0)) }
      .filter { DataFolder.has("lidar/" + $0.scanFile) }
  }

  private static func cases(in path: String) -> [DecodeCase] {
    guard let file = try? SafetensorsFile(path: path) else { return [] }
    let names = Set(file.names.compactMap { $0.split(separator: ".").first.map(String.init) })
    let values = try? JSONValue.parse(file.metadata["case"] ?? "{}")
    return names.sorted().compactMap { name in
      let value = values?[name]
      guard let scan = value?["file"]?.stringValue ?? formatSample(name) else { return nil }
      return DecodeCase(
        path: path,
        name: name,
        scanFile: scan,
        labelFile: value?["label_file"]?.stringValue,
        floatsPerPoint: value?["floats_per_point"]?.intValue
      )
    }
  }

  /// The format samples are not named in the metadata.
  private static func formatSample(_ name: String) -> String? {
    if name == "pcd" { return "formats/hesai128_binary_compressed.pcd" }
    return name.hasPrefix("las") ? "formats/os1_128_\(name.dropFirst(3)).las" : nil
  }

  func has(_ tensor: String) -> Bool {
    (try? SafetensorsFile(path: path).names.contains("\(name).\(tensor)")) ?? false
  }

  func floats(_ tensor: String) throws -> Tensor<Float> {
    try SafetensorsFile(path: path).tensor(named: "\(name).\(tensor)")
  }

  func integers(_ tensor: String) throws -> [Int32] {
    try SafetensorsFile(path: path).tensor(named: "\(name).\(tensor)", as: Int32.self).elements
  }

  func reading(_ change: (inout ScanReadingOptions) -> Void = { _ in }) throws -> ScanReading {
    var options = ScanReadingOptions(
      floatsPerPoint: floatsPerPoint,
      labelPath: labelFile.map { DataFolder.path("lidar/" + $0) }
    )
    // The numbers as the file has them.
    options.ringOrder = .topFirst
    change(&options)
    return try ScanReading(contentsOf: DataFolder.path("lidar/" + scanFile), options: options)
  }

  /// The columns of the scan as the file has them: nuScenes's in its own axes and order of rings.
  func fileColumns(of scan: LidarScan) throws -> [[Float]] {
    let positions = scan.positions.elements
    var columns = (0..<3).map { axis in
      stride(from: axis, to: positions.count, by: 3).map { positions[$0] }
    }
    columns.append(try #require(scan.intensity).elements)
    let isNuScenes = scanFile.hasSuffix(".pcd.bin")
    if isNuScenes { columns[0...1] = [columns[1].map { -$0 }, columns[0]] }
    if let rings = scan.rings {
      columns.append(rings.elements.map { Float(isNuScenes ? 31 - $0 : $0) })
    }
    return columns
  }
}
