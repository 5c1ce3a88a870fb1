import Autograd
import Quantization
import Tensor

/// The numbers that a device trains, and how they make the weights of its network.
///
/// A plain parameter of the network is trained itself. What is held in another form has parameters
/// of its own; the network gets the weights that they make before each pass, and its gradient is
/// brought back to them afterwards:
///
///     rounded    W = Q(V)          dV = dW
///     scales     W = q ⊙ s         ds = Σ_row q ⊙ dW
///     adapter    W = W₀ + U D      dU = dW Dᵀ, dD = Uᵀ dW
///     factors    W = A B           dA = dW Bᵀ, dB = Aᵀ dW
final class LocalWeights {
  private enum Form {
    case plain
    case rounded(bits: Int)
    case scales(codes: Tensor<Float>)
    case adapter(base: Tensor<Float>)
    case factors
  }

  private struct Piece {
    let form: Form
    /// The network's parameter.
    let target: Parameter
    /// The places of what makes it in `trained`.
    let places: [Int]
  }

  /// What is trained, in the order of the local model's parameters.
  private(set) var trained: [Parameter] = []
  private var pieces: [Piece] = []

  /// The weights of a local model in a network whose shapes fit it.
  init(_ local: LocalModel, network: [NamedParameter]) throws(FederatedError) {
    var targets: [String: Parameter] = [:]
    for entry in network { targets[entry.name] = entry.parameter }
    var owners: [String: Parameter] = [:]
    for (name, parameter) in targets where local.forms[name] == nil { owners[name] = parameter }
    var places: [String: Int] = [:]
    for (name, tensor) in local.parameters.entries {
      places[name] = trained.count
      let parameter = owners[name] ?? Parameter(tensor)
      parameter.value = tensor
      trained.append(parameter)
    }
    for entry in network {
      let form = local.forms[entry.name]
      let names = form?.names(of: entry.name) ?? [entry.name]
      let found = names.compactMap { places[$0] }
      guard found.count == names.count else {
        throw .missingParameter(name: names[0], known: local.parameters.names)
      }
      guard let form else { continue }
      pieces.append(Piece(form: Self.form(form), target: entry.parameter, places: found))
    }
  }

  private static func form(_ form: LocalForm) -> Form {
    switch form {
    case .fakeQuantized(let bits): return .rounded(bits: bits)
    case .scales(let matrix): return .scales(codes: matrix.signedCodes)
    case .adapter(let matrix, _): return .adapter(base: matrix.signedCodes * matrix.stepSizes)
    case .factors: return .factors
    }
  }

  /// Whether every trained number is a weight of the network.
  var isPlain: Bool { pieces.isEmpty }

  /// Gives the network the weights that the trained numbers make.
  func install() {
    for piece in pieces {
      let values = piece.places.map { trained[$0].value }
      let matrix: Tensor<Float>
      switch piece.form {
      case .plain: continue
      case .rounded(let bits): matrix = fakeQuantized(values[0], bits: bits)
      case .scales(let codes): matrix = codes * values[0]
      case .adapter(let base): matrix = base + values[0].matmul(values[1])
      case .factors: matrix = values[0].matmul(values[1])
      }
      piece.target.value = matrix.reshaped(to: piece.target.shape)
    }
  }

  /// Brings the network's gradients to the trained numbers.
  func pullBack() {
    for piece in pieces {
      guard let gradient = piece.target.gradient else { continue }
      piece.target.clearGradient()
      let parts = piece.places.map { trained[$0] }
      let rows = piece.target.shape[0]
      let matrix = gradient.reshaped(to: [rows, rows > 0 ? gradient.count / rows : 0])
      switch piece.form {
      case .plain: break
      case .rounded: parts[0].add(gradient)
      case .scales(let codes):
        parts[0].add((codes * matrix).sum(axes: 1, keepingDimensions: true))
      case .adapter, .factors:
        let (left, right) = (parts[0].value, parts[1].value)
        parts[0].add(matrix.matmul(right, transposingOther: true))
        parts[1].add(left.matmul(matrix, transposingSelf: true))
      }
    }
  }
}

extension Parameter {
  fileprivate func add(_ contribution: Tensor<Float>) {
    let contribution = contribution.reshaped(to: shape)
    if let found = gradient { gradient = found + contribution } else { gradient = contribution }
  }
}

extension QuantizedMatrix {
  /// The codes around zero: −Q … Q.
  var signedCodes: Tensor<Float> {
    let codes = codes()
    let middle = Float(1 << (scheme.grid.bits - 1))
    return Tensor(codes.elements.map { Float($0) - middle }, shape: codes.shape)
  }
}
