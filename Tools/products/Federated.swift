import Federated
import Tensor

let rates = [Rate(1, of: 2), Rate(1, of: 4)]
let plans: [DevicePlan] = [.full] + rates.map { .slice($0) }
var configuration = SimulationConfiguration()
configuration.deviceCount = 1000
configuration.partition = .dirichlet(alpha: 0.5)
configuration.planning = .fixed(plans)
print(plans, DeviceClass.gateway.profile, configuration.rounds)
