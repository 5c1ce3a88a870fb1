/// What a device can do, as it registers.
public struct DeviceProfile: Codable, Hashable, Sendable {
  /// The memory for training.
  public var memoryBytes: Int
  /// Floating-point operations in a second.
  public var flopsPerSecond: Double
  /// What it sends in a second.
  public var uplinkBytesPerSecond: Double
  /// What it receives in a second.
  public var downlinkBytesPerSecond: Double
  /// Whether it computes in floating point.
  public var hasFloat: Bool
  /// Whether it runs on a battery.
  public var batteryPowered: Bool
  /// When it may be used, in hours of the day; nil for always.
  public var availability: ClosedRange<Double>?
  /// The classes that it holds; nil if unknown.
  public var labelSet: Set<Int>?

  /// A profile.
  public init(
    memoryBytes: Int,
    flopsPerSecond: Double,
    uplinkBytesPerSecond: Double,
    downlinkBytesPerSecond: Double,
    hasFloat: Bool = true,
    batteryPowered: Bool = false,
    availability: ClosedRange<Double>? = nil,
    labelSet: Set<Int>? = nil
  ) {
    self.memoryBytes = memoryBytes
    self.flopsPerSecond = flopsPerSecond
    self.uplinkBytesPerSecond = uplinkBytesPerSecond
    self.downlinkBytesPerSecond = downlinkBytesPerSecond
    self.hasFloat = hasFloat
    self.batteryPowered = batteryPowered
    self.availability = availability
    self.labelSet = labelSet
  }
}

/// Classes of devices for simulation.
///
/// Choice: round numbers that span the devices of an IoT network, not measurements.
public enum DeviceClass: String, Codable, Hashable, Sendable, CaseIterable {
  /// A microcontroller.
  case mcu
  /// A small edge device.
  case edge = "edge-s"
  /// A gateway.
  case gateway
  /// A phone.
  case phone
  /// A server.
  case server

  /// The profile of the class.
  public var profile: DeviceProfile {
    switch self {
    case .mcu: Self.profile(256 << 10, 50e6, 20e3, 60e3, isOnBattery: true)
    case .edge: Self.profile(8 << 20, 1e9, 100e3, 400e3)
    case .gateway: Self.profile(512 << 20, 10e9, 1e6, 5e6)
    case .phone: Self.profile(2 << 30, 50e9, 2e6, 10e6, isOnBattery: true)
    case .server: Self.profile(16 << 30, 500e9, 50e6, 50e6)
    }
  }

  private static func profile(
    _ memory: Int,
    _ flops: Double,
    _ up: Double,
    _ down: Double,
    isOnBattery: Bool = false
  ) -> DeviceProfile {
    DeviceProfile(
      memoryBytes: memory,
      flopsPerSecond: flops,
      uplinkBytesPerSecond: up,
      downlinkBytesPerSecond: down,
      batteryPowered: isOnBattery
    )
  }
}
