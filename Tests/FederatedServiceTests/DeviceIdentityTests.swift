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

  /// A memory of nonces forgets what would be refused by its time, so it cannot grow for ever.
  @Test func noncesAreForgottenInTime() throws {
    var memory = NonceMemory(tolerance: 10, mostRequests: 3)
    func signature(_ time: Double, _ nonce: String) throws -> RequestSignature {
      try RequestSignature([
        "x-apus-device": "d", "x-apus-time": "\(Int(time * 1000))",
        "x-apus-nonce": String(repeating: "0", count: 32 - nonce.count) + nonce,
        "x-apus-digest": String(repeating: "0", count: 64),
        "x-apus-signature": Data(count: 64).base64EncodedString(),
      ])
    }
    try memory.note(try signature(100, "1"), now: 100)
    try memory.note(try signature(100, "2"), now: 101)
    #expect(throws: ServiceRefusal.replayed(device: "d")) {
      try memory.note(try signature(100, "1"), now: 102)
    }
    try memory.note(try signature(102, "3"), now: 102)
    #expect(throws: ServiceRefusal.tooManyRequests(device: "d")) {
      try memory.note(try signature(102, "4"), now: 102)
    }
    try memory.note(try signature(115, "4"), now: 115)
    #expect(throws: ServiceRefusal.clockSkew(device: "d", seconds: -15)) {
      try memory.note(try signature(100, "1"), now: 115)
    }
  }
}
