import FederatedService
import TestSupport
import Testing

/// Addresses and certificates that no device can work with; what they do over a network is tested with the
/// programs.
@Suite struct HTTPTransportTests {
  @Test(arguments: [
    ("", "not of the form"), ("example.org:8080", "not of the form"),
    ("ftp://example.org", "scheme must be http or https"),
  ])
  func addressesThatAreNoneAreRefused(address: String, reason: String) throws {
    let error = try #require(throws: ServiceError.self) {
      _ = try HTTPServiceTransport(address: address)
    }
    guard case .invalidAddress(address, let found) = error else {
      Issue.record("\(error)")
      return
    }
    #expect(found.contains(reason) && "\(error)".contains("write https://host:port"))
  }

  @Test func certificatesBelongToHTTPS() throws {
    let error = try #require(throws: ServiceError.self) {
      _ = try HTTPServiceTransport(address: "http://localhost:1", authority: "ca.pem")
    }
    guard case .invalidAddress = error else {
      Issue.record("\(error)")
      return
    }
  }

  @Test func aFileWithoutCertificatesIsRefused() throws {
    try withTemporaryFolder { folder in
      let path = folder + "/ca.pem"
      let missing = try #require(throws: ServiceError.self) {
        _ = try HTTPServiceTransport(address: "https://localhost:1", authority: path)
      }
      guard case .certificate(path, _) = missing else {
        Issue.record("\(missing)")
        return
      }
    }
  }

  @Test func aServerThatIsNotThereIsATransientFailure() async throws {
    let transport = try HTTPServiceTransport(address: "http://127.0.0.1:9")
    let failure = await #expect(throws: ServiceTransportFailure.self) {
      _ = try await transport.send(
        ServiceRequest(method: "GET", path: "/"),
        timeout: .seconds(5),
        limit: 100
      )
    }
    #expect(failure?.isTransient == true)
  }
}
