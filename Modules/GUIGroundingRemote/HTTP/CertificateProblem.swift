/// Why the certificate of a server was not accepted; nothing was sent to it.
public enum CertificateProblem: Equatable, Sendable {
  /// No authority that is trusted has signed it.
  case untrusted
  /// It was valid up to that day (2020-02-01).
  case expired(String)
  /// It will be valid from that day on.
  case notYetValid(String)
  /// It was made for other names than that one.
  case otherName(String)
}

extension CertificateProblem: CustomStringConvertible {
  /// The reason in words, and what to do.
  public var description: String {
    switch self {
    case .untrusted:
      "no trusted authority has signed the server's certificate: name the file of the authority that "
        + "has, if you trust it"
    case .expired(let day): "the server's certificate has expired on \(day)"
    case .notYetValid(let day):
      "the server's certificate is not valid before \(day): is this machine's clock right?"
    case .otherName(let host):
      "the server's certificate is not one for \(host): check the name in the base URL"
    }
  }
}
