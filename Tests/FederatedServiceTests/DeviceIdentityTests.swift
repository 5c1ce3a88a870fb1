import Foundation
import TestSupport
import Testing

@testable import FederatedService

@Suite struct DeviceIdentityTests {
  @Test func keysStayInTheirFile() throws {
    let folder = try TemporaryFolder()
    let path = folder.path + "/device.key"
    let made = try DeviceIdentity.loadOrCreate(path: path)
    #expect(try DeviceIdentity.loadOrCreate(path: path).publicKey == made.publicKey)
    let mode = try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int
    #expect(mode == 0o600)
    try "no key".write(toFile: path, atomically: true, encoding: .utf8)
    #expect(throws: ServiceError.self) { try DeviceIdentity(path: path) }
    #expect(throws: ServiceError.self) { try DeviceIdentity(path: folder.path + "/none") }
    #expect(throws: ServiceError.self) {
      try DeviceIdentity.loadOrCreate(path: folder.path + "/no/folder/key")
    }
  }

  private func signature(_ time: Double, _ nonce: String) throws -> RequestSignature {
    try RequestSignature([
      "x-apus-device": "d", "x-apus-time": "\(Int(time * 1000))",
      "x-apus-nonce": String(repeating: "0", count: 32 - nonce.count) + nonce,
      "x-apus-digest": String(repeating: "0", count: 64),
      "x-apus-signature": Data(count: 64).base64EncodedString(),
    ])
  }

  /// Of requests beyond the last few the time alone is remembered, so the memory cannot grow, and a
  /// device may ask as often as it likes.
  @Test func noncesTakeBoundedMemory() throws {
    var memory = NonceMemory(tolerance: 10, mostRequests: 3)
    func note(_ time: Double, _ nonce: String, now: Double) throws {
      let signature = try signature(time, nonce)
      try memory.check(signature, now: now)
      memory.add(signature)
    }
    try note(100, "1", now: 100)
    #expect(throws: ServiceRefusal.replayed(device: "d")) { try note(100, "1", now: 102) }
    // In another order than they were sent, as on a network.
    try note(102, "3", now: 102)
    try note(101, "2", now: 102)
    try note(103, "4", now: 103)
    // Number 1 is forgotten, but not how old it was.
    #expect(throws: ServiceRefusal.outdated(device: "d", after: 100_000)) {
      try note(100, "1", now: 103)
    }
    #expect(throws: ServiceRefusal.replayed(device: "d")) { try note(101, "2", now: 103) }
    for index in 0..<100 { try note(104 + Double(index) / 16, "5\(index)", now: 104) }
    #expect(throws: ServiceRefusal.outdated(device: "d", after: 110_000)) {
      try note(103, "4", now: 104)
    }
    #expect(memory.deviceCount == 1)
    #expect(throws: ServiceRefusal.clockSkew(device: "d", seconds: -15)) {
      try note(100, "1", now: 115)
    }
  }
}
