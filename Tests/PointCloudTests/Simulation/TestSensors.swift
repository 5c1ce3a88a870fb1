import PointCloud

/// The sensors whose figures the simulator is held to.
let testSensors: [BeamModel] = [.hdl64e, .hdl32e, .vlp16, .waymoTop, .os1x128]
