import Foundation
import PointCloud
import Tensor
import TestSupport
import Testing

/// nuScenes's panoptic labels: class · 1000 + instance, in NumPy's compressed archive.
@Suite struct PanopticLabelTests {
  /// np.savez_compressed(data=np.array([17001, 24000, 30005], np.uint16)), by NumPy 2.4.
  static let archive = Array(
    Data(
      base64Encoded: """
        UEsDBC0AAAAIAAAAIQDhw/Z8//////////8IABQAZGF0YS5ucHkBABAAhgAAAAAAAABKAAAAAAAAAJvsF+obEMnIUMZQrZ6S\
        WpxcpG6loG5TaqSuo6Cell9UUpSYF59flJIKEndLzClOBYoXZyQWpAL5GsY6mjoKtQoUAK5MpwOxpqUAUEsBAi0DLQAAAAgA\
        AAAhAOHD9nxKAAAAhgAAAAgAAAAAAAAAAAAAAIABAAAAAGRhdGEubnB5UEsFBgAAAAABAAEANgAAAIQAAAAAAA==
        """
    ) ?? Data()
  )

  /// The same of data=np.array([-1], np.int32), of data=np.zeros((1, 1), np.uint16), and of two
  /// arrays of np.zeros(1, np.uint16) called a and b.
  static let wrong = [
    (
      "label -1",
      """
      UEsDBC0AAAAIAAAAIQAnXxUp//////////8IABQAZGF0YS5ucHkBABAAhAAAAAAAAABHAAAAAAAAAJvsF+obEMnI\
      UMZQrZ6SWpxcpG6loG6TaaKuo6Cell9UUpSYF59flJIKEndLzClOBYoXZyQWpAL5GoY6mjoKtQoUAK7/QAAAUEsB\
      Ai0DLQAAAAgAAAAhACdfFSlHAAAAhAAAAAgAAAAAAAAAAAAAAIABAAAAAGRhdGEubnB5UEsFBgAAAAABAAEANgAA\
      AIEAAAAAAA==
      """
    ),
    (
      "[1×1]",
      """
      UEsDBC0AAAAIAAAAIQCwC3LN//////////8IABQAZGF0YS5ucHkBABAAggAAAAAAAABIAAAAAAAAAJvsF+obEMnI\
      UMZQrZ6SWpxcpG6loG5TaqSuo6Cell9UUpSYF59flJIKEndLzClOBYoXZyQWpAL5GoY6CoaaOgq1CmQDLgYGAFBL\
      AQItAy0AAAAIAAAAIQCwC3LNSAAAAIIAAAAIAAAAAAAAAAAAAACAAQAAAABkYXRhLm5weVBLBQYAAAAAAQABADYA\
      AACCAAAAAAA=
      """
    ),
    (
      "no tensor \"data\"",
      """
      UEsDBC0AAAAIAAAAIQCqfrf3//////////8FABQAYS5ucHkBABAAggAAAAAAAABGAAAAAAAAAJvsF+obEMnIUMZQ\
      rZ6SWpxcpG6loG5TaqSuo6Cell9UUpSYF59flJIKEndLzClOBYoXZyQWpAL5GoY6mjoKtQoUAC4GBgBQSwMELQAA\
      AAgAAAAhAKp+t/f//////////wUAFABiLm5weQEAEACCAAAAAAAAAEYAAAAAAAAAm+wX6hsQychQxlCtnpJanFyk\
      bqWgblNqpK6joJ6WX1RSlJgXn1+UkgoSd0vMKU4FihdnJBakAvkahjqaOgq1ChQALgYGAFBLAQItAy0AAAAIAAAA\
      IQCqfrf3RgAAAIIAAAAFAAAAAAAAAAAAAACAAQAAAABhLm5weVBLAQItAy0AAAAIAAAAIQCqfrf3RgAAAIIAAAAF\
      AAAAAAAAAAAAAACAAX0AAABiLm5weVBLBQYAAAAAAgACAGYAAAD6AAAAAAA=
      """
    ),
  ]

  @Test func classAndInstanceAreToldApart() throws {
    try PointSample.with(Self.archive, "a_panoptic.npz") { path in
      let file = try LabelFile(contentsOf: path)
      #expect(file.labels.elements == [17, 24, 30])
      #expect(file.instances?.elements == [1, 0, 5])
      let scan = path + ".pcd.bin"
      try Data(PointSample.nuScenes).write(to: URL(fileURLWithPath: scan))
      let labelled = try LidarScan(nuScenes: scan, labels: path)
      #expect(labelled.labels?.elements == [17, 24, 30])
      #expect(labelled.instances?.elements == [1, 0, 5])
      let classes = LabelMap.nuScenes16.classes(of: file.labels).elements
      #expect(classes == [4, 11, 16])
    }
  }

  @Test func labelsOfAnotherScanAreRefused() throws {
    try PointSample.with(Self.archive, "a_panoptic.npz") { path in
      let scan = path + ".pcd.bin"
      let short = PointSample.nuScenes.prefix(40)
      try Data(short).write(to: URL(fileURLWithPath: scan))
      let error = try #require(throws: PointFileError.self) {
        try LidarScan(nuScenes: scan, labels: path)
      }
      #expect("\(error)".contains("3 labels for the 2 points"))
    }
  }

  @Test(arguments: wrong)
  func otherArchivesAreRefused(_ text: String, _ base64: String) throws {
    let bytes = Array(try #require(Data(base64Encoded: base64)))
    try PointSample.with(bytes, "a_panoptic.npz") { path in
      let error = try #require(throws: PointFileError.self) { try LabelFile(contentsOf: path) }
      #expect("\(error)".contains(text), "\(error)")
      #expect("\(error)".contains(path))
    }
  }

  @Test func whatIsNoArchiveIsRefused() throws {
    try PointSample.with(PointSample.labels, "a_panoptic.npz") { path in
      let error = try #require(throws: PointFileError.self) { try LabelFile(contentsOf: path) }
      #expect("\(error)".contains("ZIP"))
    }
  }
}
