import Foundation
import PointCloud
import Tensor
import TestSupport
import Testing

/// What must hold of a scan, wherever it was read from.
struct FuzzReading {
  let reading: ScanReading
  var scan: LidarScan { reading.scan }

  init(_ path: String, _ options: ScanReadingOptions) throws(PointFileError) {
    reading = try ScanReading(contentsOf: path, options: options)
  }

  /// What the scan has, in few words: where a file led to.
  var outcome: String {
    let columns = [scan.rings != nil, scan.intensity != nil, scan.labels != nil].map { $0 ? 1 : 0 }
    let size = scan.count.bitWidth - scan.count.leadingZeroBitCount
    let dropped = [reading.nonFiniteCount, reading.zeroCount, reading.egoCount].map { min($0, 2) }
    return "\(reading.format) \(columns) \(size) \(dropped) \(reading.ringsWereTurned)"
  }

  /// The rows are those of the file, and what the options drop is dropped and counted.
  func checkRows(byteCount: Int) {
    let dropped = reading.nonFiniteCount + reading.zeroCount + reading.egoCount
    #expect(scan.count + dropped == reading.rowCount)
    // No format takes less than a byte for a point.
    #expect(reading.rowCount <= byteCount)
    #expect(reading.rows.count == scan.count)
    #expect(zip(reading.rows, reading.rows.dropFirst()).allSatisfy { $0 < $1 })
    #expect(reading.rows.allSatisfy { $0 >= 0 && $0 < reading.rowCount })
    #expect(scan.positions.elements.allSatisfy { $0.isFinite })
    #expect(scan.rings?.elements.allSatisfy { (0...0xFFFF).contains($0) } ?? true)
    let spread = reading.spread(.zeros([scan.count]), missing: 1)
    #expect(spread.count == reading.rowCount && spread.elements.reduce(0, +) == dropped)
  }

  /// Everything that is asked of a scan before a network sees it has an answer or a typed error.
  func checkUse() {
    #expect(BeamDensity(.vlp16)(scan).elements.allSatisfy { $0.isFinite && $0 >= 0 })
    do throws(BeamModelError) {
      let sensor = try BeamModel(estimatedFrom: scan, name: "found")
      #expect(throws: Never.self) { try sensor.validate() }
    } catch {
      #expect(!"\(error)".isEmpty)
    }
    #expect(scan.groundDepth().map { (0.3...5).contains($0) } ?? true)
    do throws(VoxelError) {
      let voxels = try Voxelization(scan.positions, voxelSize: 0.2)
      #expect(voxels.counts.elements.reduce(0, +) == scan.count)
    } catch {
      #expect(!"\(error)".isEmpty)
    }
  }

  /// A network has a class for every point, or says what it cannot place.
  func checkSegmentation() {
    var generator = Philox(seed: 1)
    let model = PointSegmenter(SegmenterConfiguration(.tiny), using: &generator)
    do throws(VoxelError) {
      let found = try model.segment(scan, of: .vlp16)
      #expect(found.classes.shape == [scan.count])
      #expect(found.confidence.elements.allSatisfy { $0 >= 0 && $0 <= 1 })
    } catch {
      #expect(!"\(error)".isEmpty)
    }
  }

  /// What is written is read again.
  func checkCopies(beside path: String) throws {
    for ending in ["pcd", "ply"] {
      let copy = path + ".copy." + ending
      if ending == "pcd" { try scan.writePCD(to: copy) } else { try scan.writePLY(to: copy) }
      var options = ScanReadingOptions()
      options.ringOrder = .topFirst
      let again = try LidarScan(contentsOf: copy, options: options)
      #expect(again.positions == scan.positions && again.rings == scan.rings)
      #expect(again.labels == scan.labels && again.instances == scan.instances)
      try FileManager.default.removeItem(atPath: copy)
    }
  }
}
