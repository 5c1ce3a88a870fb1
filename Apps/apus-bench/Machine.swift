import CKernels
import Foundation
import Tensor

/// What the machine can do at this moment, measured: other programs slow it down, and so does heat.
struct MachineLimits {
  /// Multiply-adds of one thread, FLOP/s.
  private(set) var peakPerThread: Double
  /// Multiply-adds of all threads in use, FLOP/s.
  private(set) var peak: Double
  /// Bytes a second of all threads in use, summing an array that no cache holds.
  private(set) var readBandwidth: Double

  /// Takes over what is higher in `other`: the limits are the best that was seen.
  mutating func raise(to other: MachineLimits) {
    peakPerThread = max(peakPerThread, other.peakPerThread)
    peak = max(peak, other.peak)
    readBandwidth = max(readBandwidth, other.readBandwidth)
  }

  /// `Probe` owns the array, so that only the first measurement pays for its pages.
  final class Probe {
    private let memory = Tensor<Float>.ones([64 << 20])  // 256 MiB

    func measure() -> MachineLimits {
      let threads = WorkPool.threadCount
      let single = (0..<6).map { _ in ck_probe_fma(0.005) }.max() ?? .nan
      return MachineLimits(
        peakPerThread: single,
        peak: threads == 1 ? single : single * Self.speedup(threads: threads),
        readBandwidth: bandwidth()
      )
    }

    /// How much faster the threads finish a pile of probes together than one does alone.
    ///
    /// Counts finished probes over the time on the wall, so that a thread which the system did not
    /// run counts for nothing. The best of some short windows: a window in which another program
    /// ran shows that program.
    private static func speedup(threads: Int) -> Double {
      // The shortest probe that there is: it runs its chains once.
      let probe = { (_: Int) in keep(ck_probe_fma(1e-9)) }
      let start = ContinuousClock.now
      probe(0)
      let parts = max(Int(0.005 / (ContinuousClock.now - start).seconds), 8) * threads
      let alone = best { for part in 0..<parts { probe(part) } }
      return alone / best { WorkPool.forEach(parts: parts, probe) }
    }

    private static func best(of windows: Int = 6, _ body: () -> Void) -> Double {
      Stopwatch().seconds(repeats: windows, inner: 1, body).min() ?? .nan
    }

    private func bandwidth() -> Double {
      let grain = 1 << 18
      let seconds = Self.best {
        memory.withUnsafeElements { elements in
          guard let from = elements.baseAddress else { return }
          WorkPool.forEachRange(count: elements.count, grain: grain) { range in
            keep(ck_probe_read(range.count, from + range.lowerBound))
          }
        }
      }
      return Double(memory.count * 4) / seconds
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
