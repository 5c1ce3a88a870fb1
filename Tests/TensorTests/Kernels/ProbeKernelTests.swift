import CKernels
import Testing

@Suite struct ProbeKernelTests {
  @Test func theInstructionSetHasAName() {
    let name = String(cString: ck_isa())
    #expect(["avx512", "avx2", "neon", "baseline"].contains(name))
  }

  @Test func probesReturnWhatTheySay() {
    #expect(ck_probe_fma(0.001) > 1e6)
    let x = [Float](repeating: 0.5, count: 10_001)
    #expect(ck_probe_read(x.count, x) == 5000.5)
  }
}
