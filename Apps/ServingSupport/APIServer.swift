import Hummingbird
import HummingbirdCore
import Logging
import ServiceLifecycle

/// Puts the API on the network.
struct APIServer {
  let responder: APIResponder
  let host: String
  let port: Int

  /// The service, which serves from `run()` until its graceful shutdown: then it takes no more
  /// connections, and ends when the requests that are under way have their answers.
  ///
  /// - Parameter started: told the port when it listens.
  /// - Returns: the service.
  func makeService(started: @escaping @Sendable (Int) -> Void) -> ServiceGroup {
    var logger = Logger(label: "apus-serve")
    // At its end it calls every open connection an error.
    logger.logLevel = .critical
    let application = Application(
      responder: responder,
      // A client that vanished while it sent its request must not keep the connection.
      server: .http1(
        configuration: .init(
          additionalChannelHandlers: [HangUpHandler()],
          idleTimeout: .seconds(90)
        )
      ),
      configuration: ApplicationConfiguration(
        address: .hostname(host, port: port),
        serverName: "apus-serve"
      ),
      onServerRunning: { started($0.localAddress?.port ?? port) },
      logger: logger
    )
    return ServiceGroup(
      configuration: ServiceGroupConfiguration(services: [application], logger: logger)
    )
  }
}
