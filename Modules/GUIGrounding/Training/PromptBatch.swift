import Autograd
import Tensor

/// An example as a policy is shown it.
struct PromptView {
  let example: GroundingExample
  /// Which part of the picture the policy sees.
  let transform: ViewTransform

  /// The whole picture.
  init(_ example: GroundingExample, for policy: NativeGroundingPolicy) {
    self.example = example
    transform = ViewTransform(
      imageSize: example.image.size,
      view: policy.viewSize(for: example.image.size)
    )
  }

  /// A part of the picture.
  init(_ example: GroundingExample, crop: PixelRect, for policy: NativeGroundingPolicy) {
    self.example = example
    transform = ViewTransform(
      imageSize: example.image.size,
      crop: crop,
      view: policy.viewSize(for: crop.size)
    )
  }
}

/// Views with their instructions, as a policy takes them.
struct PromptBatch {
  let views: [PromptView]
  let pixels: Tensor<Float>
  let instructions: InstructionBatch

  init(_ views: [PromptView], for policy: NativeGroundingPolicy) throws(NativePolicyError) {
    self.views = views
    pixels = policy.views(views.map { $0.example.image.view($0.transform) })
    instructions = try policy.instructions(views.map(\.example.instruction))
  }

  /// What the policy computes of all views once.
  func context(of policy: NativeGroundingPolicy) -> PolicyContext {
    policy.context(views: pixels, instructions: instructions)
  }

  /// The responses that think of the targets' centres and answer them [P × T].
  ///
  /// - Throws: `GroundingTrainingError.noCenter`, `NativePolicyError`.
  func centerResponses(of policy: NativeGroundingPolicy) throws -> Tensor<Int32> {
    var tokens: [Int32] = []
    for view in views {
      guard let center = view.example.target.center else {
        throw GroundingTrainingError.noCenter(instruction: view.example.instruction)
      }
      tokens += try policy.response(
        to: view.example.instruction,
        at: view.transform.toView(center),
        in: view.transform.view
      )
    }
    return Tensor(tokens, shape: [views.count, tokens.count / max(views.count, 1)])
  }
}
