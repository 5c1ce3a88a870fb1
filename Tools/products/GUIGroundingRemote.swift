import GUIGrounding
import GUIGroundingRemote

let server = ChatServer.vLLM(baseURL: "http://127.0.0.1:9/v1", model: "Qwen2.5-VL-3B-Instruct")
guard let family = VisionModelFamily.named("qwen2.5-vl") else { fatalError("no such family") }
let policy = try RemoteGroundingPolicy(server: server, family: family)
let image = RGBImage(size: PixelSize(width: 560, height: 448), color: .white)
print(policy.name, policy.viewSize(for: image.size))
