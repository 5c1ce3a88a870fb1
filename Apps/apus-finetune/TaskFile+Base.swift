import ModelSupport
import Quantization

extension TaskFile {
  /// The bytes on the disk.
  var byteCount: Int { storedByteCount(place) }

  /// What the base must be like.
  var kind: TuningBase.Kind {
    switch content {
    case .scales(let adapter): adapter.method == .peqa ? .stepSizes : .binaryCodes
    case .lowRank: .stored
    }
  }
}
