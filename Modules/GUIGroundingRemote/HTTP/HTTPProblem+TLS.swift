import Foundation
import NIOCore
import NIOPosix
import NIOSSL

extension HTTPProblem {
  /// What an error of a connection with TLS means.
  ///
  /// - Parameters:
  ///   - error: the error.
  ///   - certificate: what the server has shown, if it came so far.
  ///   - request: where the request was to go.
  ///   - now: seconds since 1970.
  init(
    _ error: any Error,
    certificate: NIOSSLCertificate?,
    _ request: HTTPRequestBytes,
    now: Double = Date().timeIntervalSince1970
  ) {
    switch error {
    case let error as HTTPProblem: self = error
    case ChannelError.connectTimeout(let time):
      self = .connectTimedOut(seconds: Double(time.nanoseconds) / 1e9)
    case let error as NIOConnectionError: self = .network(Self.text(error))
    case NIOSSLError.handshakeFailed(let fault):
      self = Self.handshake("\(fault)", certificate, now)
    case NIOSSLError.uncleanShutdown:
      self = .network("the connection ended before the reply was whole")
    case let error as NIOSSLExtraError
    where error == .failedToValidateHostname || error == .serverHostnameImpossibleToMatch:
      self = .certificate(.otherName(request.host))
    case let error as IOError:
      self = .network(String(cString: strerror(error.errnoCode)))
    default: self = .network("\(error)")
    }
  }

  /// Why hands were not shaken, by what the library for TLS says of it.
  private static func handshake(
    _ text: String,
    _ certificate: NIOSSLCertificate?,
    _ now: Double
  ) -> HTTPProblem {
    if text.contains("CERTIFICATE_VERIFY_FAILED") {
      return .certificate(CertificateProblem(certificate, now: now))
    }
    // What the first bytes of an answer in plain text look like to it.
    let plain = ["WRONG_VERSION_NUMBER", "HTTP_REQUEST", "HTTPS_PROXY_REQUEST"]
    if plain.contains(where: text.contains) { return .withoutTLS }
    return .network("TLS: \(text)")
  }

  private static func text(_ error: NIOConnectionError) -> String {
    guard let last = error.connectionErrors.last else { return "no address of \(error.host)" }
    let reason =
      switch last.error {
      case let error as IOError: String(cString: strerror(error.errnoCode))
      case ChannelError.connectTimeout: "no connection in time"
      default: "\(last.error)"
      }
    return "\(error.host), port \(error.port): \(reason)"
  }
}

extension CertificateProblem {
  /// Why a certificate did not stand the check; the library does not tell.
  fileprivate init(_ certificate: NIOSSLCertificate?, now: Double) {
    guard let certificate else {
      self = .untrusted
      return
    }
    let (from, to) = (Double(certificate.notValidBefore), Double(certificate.notValidAfter))
    self =
      if to < now {
        .expired(Self.day(to))
      } else if from > now {
        .notYetValid(Self.day(from))
      } else {
        .untrusted
      }
  }

  private static func day(_ seconds: Double) -> String {
    Date(timeIntervalSince1970: seconds).formatted(.iso8601.year().month().day())
  }
}
