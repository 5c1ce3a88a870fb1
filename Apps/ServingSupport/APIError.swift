import Checkpoints
import ModelSupport
import Support

/// Why a request is refused, as the OpenAI API tells it.
struct APIError: Error {
  /// The code of HTTP.
  var status: Int
  var message: String
  var type = "invalid_request_error"
  /// The field that is at fault.
  var parameter: String?
  /// A word for programs.
  var code: String?
  /// The methods that a path takes.
  var allowed: String?

  /// The body of the answer.
  var document: JSONValue {
    [
      "error": [
        "message": .string(message),
        "type": .string(type),
        "param": parameter.map { .string($0) } ?? nil,
        "code": code.map { .string($0) } ?? nil,
      ]
    ]
  }
}

extension APIError {
  /// A field that makes no sense.
  static func invalid(_ message: String, parameter: String? = nil, code: String? = nil) -> Self {
    APIError(status: 400, message: message, parameter: parameter, code: code)
  }

  /// What the parser of HTTP refuses.
  static func malformed(_ fault: String) -> Self {
    .invalid("the request is no HTTP: \(fault)", code: "malformed_request")
  }

  /// A field whose value would have to change what is written, and cannot.
  static func unsupported(_ parameter: String) -> Self {
    .invalid(
      "'\(parameter)' is not supported by this server; leave it out",
      parameter: parameter,
      code: "unsupported_parameter"
    )
  }

  static func unknownModel(_ name: String, known: [String]) -> Self {
    APIError(
      status: 404,
      message: "the model '\(name)' does not exist; there is "
        + (known.isEmpty ? "none" : known.joined(separator: ", ")),
      parameter: "model",
      code: "model_not_found"
    )
  }

  static func busy(_ model: String, limit: Int) -> Self {
    APIError(
      status: 429,
      message: "\(limit) texts of '\(model)' are written or wait already; try again later",
      type: "rate_limit_error",
      code: "rate_limit_exceeded"
    )
  }

  static func tooLarge(limit: Int) -> Self {
    APIError(
      status: 413,
      message: "the body is larger than \(byteCount(limit))",
      code: "request_too_large"
    )
  }

  static var wrongKey: Self {
    APIError(status: 401, message: "incorrect API key provided", code: "invalid_api_key")
  }

  /// Nobody is there to read it; the status is noted, in nginx's number.
  static var hungUp: Self { APIError(status: 499, message: "the client hung up", code: "hung_up") }

  /// A failure that is not the request's.
  static func failed(_ message: String) -> Self {
    APIError(status: 503, message: message, type: "server_error", code: "unavailable")
  }
}
