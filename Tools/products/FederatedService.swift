import Federated
import FederatedService

var configuration = CoordinatorConfiguration(seed: 1)
configuration.roundCount = 2
configuration.deviceCount = 1
let path = "/tmp/apus-product-\(UInt32.random(in: .min ... .max)).key"
let identity = try DeviceIdentity.loadOrCreate(path: path)
print(identity.publicKey.count, configuration.roundCount, DeviceClass.gateway.profile)
