import FederatedService
import Foundation
import HTTPTypes
import Hummingbird
import HummingbirdCore
import HummingbirdTLS
import Logging
import NIOCore
import NIOSSL
import ServiceLifecycle
import Support

/// Puts a coordinator on the network.
struct CoordinatorServer {
  let coordinator: FederatedCoordinator
  let host: String
  let port: Int
  /// Certificate and key in PEM; nil for plain HTTP.
  let identity: (certificate: String, key: String)?

  /// Serves until the task is cancelled.
  ///
  /// - Parameter started: told the port when it listens.
  /// - Throws: `CommandFailure` for a certificate or key that is none, and what listening throws.
  func run(started: @escaping @Sendable (Int) -> Void) async throws {
    var logger = Logger(label: "apus-federate")
    // At its end it calls every open connection an error.
    logger.logLevel = .critical
    let application = Application(
      responder: CoordinatorResponder(coordinator: coordinator),
      server: try server(),
      configuration: ApplicationConfiguration(
        address: .hostname(host, port: port),
        serverName: "apus-federate"
      ),
      onServerRunning: { started($0.localAddress?.port ?? port) },
      logger: logger
    )
    let group = ServiceGroup(
      configuration: ServiceGroupConfiguration(services: [application], logger: logger)
    )
    try await group.run()
  }

  private func server() throws -> HTTPServerBuilder {
    // A device that vanished while it sent its result must not keep the place for another.
    let plain = HTTPServerBuilder.http1(configuration: .init(idleTimeout: .seconds(90)))
    guard let identity else { return plain }
    let chain: [NIOSSLCertificate]
    let key: NIOSSLPrivateKey
    do { chain = try NIOSSLCertificate.fromPEMFile(identity.certificate) } catch {
      throw CommandFailure("\(identity.certificate) holds no certificate (PEM)")
    }
    do { key = try NIOSSLPrivateKey(file: identity.key, format: .pem) } catch {
      throw CommandFailure("\(identity.key) holds no private key (PEM)")
    }
    var configuration = TLSConfiguration.makeServerConfiguration(
      certificateChain: chain.map { .certificate($0) },
      privateKey: .privateKey(key)
    )
    configuration.minimumTLSVersion = .tlsv12
    return try .tls(plain, tlsConfiguration: configuration)
  }
}

/// Hands requests to the coordinator; no body is read further than it allows.
struct CoordinatorResponder: HTTPResponder {
  typealias Context = BasicRequestContext

  let coordinator: FederatedCoordinator

  func respond(to request: Request, context: Context) async throws -> Response {
    var headers: [String: String] = [:]
    for field in request.headers { headers[field.name.canonicalName] = field.value }
    let head = ServiceRequest(
      method: request.method.rawValue,
      path: request.uri.path,
      headers: headers
    )
    let answer = try await coordinator.handle(head) { limit in
      var body: [UInt8] = []
      for try await buffer in request.body {
        body.append(contentsOf: buffer.readableBytesView.prefix(limit + 1 - body.count))
        if body.count > limit { break }
      }
      return body
    }
    return response(answer)
  }

  private func response(_ answer: ServiceResponse) -> Response {
    var fields: HTTPFields = [.contentType: answer.contentType]
    for (name, value) in answer.headers {
      if let name = HTTPField.Name(name) { fields[name] = value }
    }
    return Response(
      status: HTTPResponse.Status(code: answer.status),
      headers: fields,
      body: ResponseBody(byteBuffer: ByteBuffer(bytes: answer.body))
    )
  }
}
