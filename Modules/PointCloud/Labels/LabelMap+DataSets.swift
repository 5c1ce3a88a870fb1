/// A data set whose raw labels have a map to the common classes.
public enum LabelSet: String, Codable, Hashable, Sendable, CaseIterable {
  /// SemanticKITTI's ids, the simulator's too.
  case semanticKITTI = "semantickitti"
  /// nuScenes lidarseg, 0 to 31.
  case nuScenes = "nuscenes"
  /// Waymo Open, 1 to 22.
  case waymo
  /// RELLIS-3D.
  case rellis
}

extension LabelMap {
  /// The ten classes that all data sets share, from the raw labels of one.
  ///
  /// - Source: DGLSS (CVPR 2023); riders are background. RELLIS-3D: Choice, it is no street.
  public static func common(from labels: LabelSet) -> LabelMap {
    switch labels {
    case .semanticKITTI: commonSemanticKITTI
    case .nuScenes: commonNuScenes
    case .waymo: commonWaymo
    case .rellis: commonRELLIS
    }
  }

  /// SemanticKITTI's own 19 classes.
  public static let semanticKITTI19 = LabelMap(
    name: "semantickitti19",
    classes: [
      ("unlabeled", ClassColor(0, 0, 0), [0, 1, 52, 99]),
      ("car", ClassColor(100, 150, 245), [10, 252]),
      ("bicycle", ClassColor(100, 230, 245), [11]),
      ("motorcycle", ClassColor(30, 60, 150), [15]),
      ("truck", ClassColor(80, 30, 180), [18, 258]),
      ("other-vehicle", ClassColor(0, 0, 255), [20, 13, 16, 256, 257, 259]),
      ("person", ClassColor(255, 30, 30), [30, 254]),
      ("bicyclist", ClassColor(255, 40, 200), [31, 253]),
      ("motorcyclist", ClassColor(150, 30, 90), [32, 255]),
      ("road", ClassColor(255, 0, 255), [40, 60]),
      ("parking", ClassColor(255, 150, 255), [44]),
      ("sidewalk", ClassColor(75, 0, 75), [48]),
      ("other-ground", ClassColor(175, 0, 75), [49]),
      ("building", ClassColor(255, 200, 0), [50]),
      ("fence", ClassColor(255, 120, 50), [51]),
      ("vegetation", ClassColor(0, 175, 0), [70]),
      ("trunk", ClassColor(135, 60, 0), [71]),
      ("terrain", ClassColor(150, 240, 80), [72]),
      ("pole", ClassColor(255, 240, 150), [80]),
      ("traffic-sign", ClassColor(255, 0, 0), [81]),
    ]
  )

  /// nuScenes's own 16 classes of lidarseg.
  public static let nuScenes16 = LabelMap(
    name: "nuscenes16",
    classes: [
      ("noise", ClassColor(0, 0, 0), [0, 1, 5, 7, 8, 10, 11, 13, 19, 20, 29, 31]),
      ("barrier", ClassColor(112, 128, 144), [9]),
      ("bicycle", ClassColor(220, 20, 60), [14]),
      ("bus", ClassColor(255, 127, 80), [16, 15]),
      ("car", ClassColor(255, 158, 0), [17]),
      ("construction-vehicle", ClassColor(233, 150, 70), [18]),
      ("motorcycle", ClassColor(255, 61, 99), [21]),
      ("pedestrian", ClassColor(0, 0, 230), [2, 3, 4, 6]),
      ("traffic-cone", ClassColor(47, 79, 79), [12]),
      ("trailer", ClassColor(255, 140, 0), [22]),
      ("truck", ClassColor(255, 99, 71), [23]),
      ("drivable-surface", ClassColor(0, 207, 191), [24]),
      ("other-flat", ClassColor(175, 0, 75), [25]),
      ("sidewalk", ClassColor(75, 0, 75), [26]),
      ("terrain", ClassColor(112, 180, 60), [27]),
      ("manmade", ClassColor(222, 184, 135), [28]),
      ("vegetation", ClassColor(0, 175, 0), [30]),
    ]
  )

  /// The names of the ten common classes, and the ignored one in front.
  public static let commonClassNames = [
    "background", "car", "bicycle", "motorcycle", "truck", "other-vehicle", "pedestrian",
    "drivable-surface", "sidewalk", "terrain", "vegetation",
  ]

  /// SemanticKITTI's colors of these classes; background in grey, to be seen on black.
  private static let commonColors = [
    ClassColor(110, 110, 110), ClassColor(100, 150, 245), ClassColor(100, 230, 245),
    ClassColor(30, 60, 150), ClassColor(80, 30, 180), ClassColor(0, 0, 255),
    ClassColor(255, 30, 30), ClassColor(255, 0, 255), ClassColor(75, 0, 75),
    ClassColor(150, 240, 80), ClassColor(0, 175, 0),
  ]

  private static func common(_ labels: LabelSet, _ raw: [[Int32]]) -> LabelMap {
    LabelMap(
      name: "common/" + labels.rawValue,
      classes: raw.indices.map { (commonClassNames[$0], commonColors[$0], raw[$0]) }
    )
  }

  private static let commonSemanticKITTI = common(
    .semanticKITTI,
    [
      [0, 1, 31, 32, 49, 50, 51, 52, 80, 81, 99, 253, 255],
      [10, 252], [11], [15], [18, 258], [20, 13, 16, 256, 257, 259], [30, 254],
      [40, 44, 60], [48], [72], [70, 71],
    ]
  )

  private static let commonNuScenes = common(
    .nuScenes,
    [
      [0, 1, 5, 7, 8, 9, 10, 11, 12, 13, 19, 20, 25, 28, 29, 31],
      [17], [14], [21], [23], [16, 15, 18, 22], [2, 3, 4, 6], [24], [26], [27], [30],
    ]
  )

  private static let commonWaymo = common(
    .waymo,
    [
      [0, 5, 6, 8, 9, 10, 11, 14],
      [1], [12], [13], [2], [4, 3], [7], [18, 19, 20], [22, 17], [21], [15, 16],
    ]
  )

  private static let commonRELLIS = common(
    .rellis,
    [
      [0, 5, 6, 7, 9, 12, 15, 18, 27, 31, 34],
      [8], [], [], [], [], [17], [10, 23], [], [3, 1, 33], [4, 19],
    ]
  )
}
