import Federated
import FederatedFlower

let handlers = FlowerHandlers(train: { request in
  guard let arrays = request.content.arrays else {
    throw FlowerFailure(.preconditionFailed, "no arrays")
  }
  return .trained(arrays: arrays, exampleCount: 1)
})
let transport = try HTTPFlowerTransport(address: "http://127.0.0.1:9")
print(handlers.types, transport)
