import Foundation
import ModelSupport
import Quantization

extension TaskFile {
  /// The bytes on the disk.
  var byteCount: Int { storedByteCount(place) }

  /// The task's name.
  var name: String {
    switch content {
    case .scales(let adapter): adapter.task
    case .lowRank(let task): task.task ?? URL(filePath: path).lastPathComponent
    }
  }

  /// What the base must be like.
  var kind: TuningBase.Kind {
    switch content {
    case .scales(let adapter): adapter.method == .peqa ? .stepSizes : .binaryCodes
    case .lowRank: .stored
    }
  }
}
