import CKernels
import Foundation
import Tensor

/// What the machine can do at this moment, measured: other programs slow it down, and so does heat.
struct MachineLimits {
  /// Multiply-adds of one thread, FLOP/s.
  let peakPerThread: Double
  /// Multiply-adds of all threads in use, FLOP/s.
  let peak: Double
  /// Bytes a second of all threads in use, summing an array that no cache holds.
  let readBandwidth: Double
  /// Programs that want a core, averaged over a minute.
  let load: Double

  /// `Probe` owns the array, so that only the first measurement pays for its pages.
  final class Probe {
    private let memory = Tensor<Float>.ones([64 << 20])  // 256 MiB

    func measure() -> MachineLimits {
      let single = Self.peak(threads: 1)
      let threads = WorkPool.threadCount
      return MachineLimits(
        peakPerThread: single,
        peak: threads == 1 ? single : Self.peak(threads: threads),
        readBandwidth: bandwidth(threads: threads),
        load: loadAverage())
    }

    /// The best of some short windows: a window in which another program ran shows that program.
    private static func peak(threads: Int) -> Double {
      (0..<6).map { _ in peakOnce(threads: threads) }.max() ?? .nan
    }

    private static func peakOnce(threads: Int) -> Double {
      guard threads > 1 else { return ck_probe_fma(0.005) }
      WorkPool.forEach(parts: threads) { _ in }  // wakes the workers
      var operations = [Double](repeating: 0, count: threads)
      let start = ContinuousClock.now
      operations.withUnsafeMutableBufferPointer { slots in
        nonisolated(unsafe) let slots = slots
        WorkPool.forEach(parts: threads) { part in
          let begin = ContinuousClock.now
          let rate = ck_probe_fma(0.005)
          slots[part] = rate * (ContinuousClock.now - begin).seconds
        }
      }
      // Over the whole time: one thread that did two parts must not count twice.
      return operations.reduce(0, +) / (ContinuousClock.now - start).seconds
    }

    private func bandwidth(threads: Int) -> Double {
      let grain = 1 << 18
      let seconds = (0..<5).map { _ in
        let start = ContinuousClock.now
        memory.withUnsafeElements { elements in
          guard let from = elements.baseAddress else { return }
          WorkPool.forEachRange(count: elements.count, grain: grain) { range in
            keep(ck_probe_read(range.count, from + range.lowerBound))
          }
        }
        return (ContinuousClock.now - start).seconds
      }
      return Double(memory.count * 4) / (seconds.min() ?? .nan)
    }
  }
}

/// The name of the processor.
func processorName() -> String {
  #if canImport(Darwin)
    var bytes = [CChar](repeating: 0, count: 256)
    var size = bytes.count
    guard sysctlbyname("machdep.cpu.brand_string", &bytes, &size, nil, 0) == 0 else {
      return "unknown processor"
    }
    return String(decoding: bytes.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
  #else
    let text = (try? String(contentsOfFile: "/proc/cpuinfo", encoding: .utf8)) ?? ""
    let line = text.split(separator: "\n").first { $0.hasPrefix("model name") }
    let name = line?.split(separator: ":").last?.trimmingCharacters(in: .whitespaces)
    return name ?? "unknown processor"
  #endif
}

/// Programs that want a core, averaged over a minute.
func loadAverage() -> Double {
  var load = 0.0
  return getloadavg(&load, 1) == 1 ? load : .nan
}

extension Duration {
  /// The length in seconds.
  var seconds: Double {
    Double(components.seconds) + Double(components.attoseconds) * 1e-18
  }
}
