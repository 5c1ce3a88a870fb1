public import GUIGrounding

/// What a family of models must be sent, and what the numbers of its answers mean.
///
/// - Source: the papers, repositories and maintainers of the models. `isSeen` tells apart what is
///   read in code or a maintainer's words from what is common knowledge: `Calibration` finds out.
public struct VisionModelFamily: Codable, Hashable, Sendable {
  /// The name of the family.
  public var name: String
  /// How it is asked.
  public var template: PromptTemplate
  /// What its numbers mean.
  public var coordinates: CoordinateConvention
  /// The size that the server's own resizing leaves alone.
  public var resize: ResizeRule
  /// Whether the meaning of the numbers is stated by code or maintainers.
  public var isSeen: Bool

  /// A family.
  public init(
    _ name: String,
    template: PromptTemplate,
    coordinates: CoordinateConvention,
    resize: ResizeRule,
    isSeen: Bool = true
  ) {
    self.name = name
    self.template = template
    self.coordinates = coordinates
    self.resize = resize
    self.isSeen = isSeen
  }

  /// The family of a name, whatever its case.
  public static func named(_ name: String) -> VisionModelFamily? {
    all.first { $0.name == name.lowercased() }
  }

  /// All families.
  public static let all: [VisionModelFamily] = pixelFamilies + scaledFamilies + otherFamilies

  /// Pixels of the picture after the server's resizing.
  private static let pixelFamilies = [
    pixels("reguide", .reguide, .qwen25VL),
    pixels("qwen2.5-vl", .qwenTool, .qwen25VL),
    pixels("ui-tars-1.5", .plainPoint, .qwen25VL, isSeen: false),
    pixels("gta1", .plainPoint, .gta1),
    pixels("gui-r1", .reguide, .guiR1),
    pixels("se-gui", .qwenTool, .qwen25VL),
    pixels("infigui-r1", .reguide, .qwen25VL, isSeen: false),
    pixels("infigui-g1", .reguide, .qwen25VL, isSeen: false),
    pixels("vlm-r1", .reguide, .qwen25VL, isSeen: false),
  ]

  /// Thousandths of each side.
  private static let scaledFamilies = [
    scaled("qwen2-vl", .plainPoint, .qwen25VL, isSeen: false),
    scaled("uground-v1", .uground, .qwen25VL),
    scaled("os-atlas", .osatlas, .qwen25VL),
    scaled("ui-tars-1", .plainPoint, .qwen25VL, isSeen: false),
    scaled("internvl", .plainPoint, .none, isSeen: false),
    scaled("qwen3-vl", .qwenTool, .qwen3VL),
  ]

  /// What ShowUI's own programs set.
  private static let showUISize = ResizeRule.smart(
    factor: 28,
    minimumPixels: 256 * 28 * 28,
    maximumPixels: 1344 * 28 * 28
  )

  private static let otherFamilies = [
    VisionModelFamily(
      "deepseek-vl2",
      template: .plainPoint,
      coordinates: CoordinateConvention(.nine99),
      resize: .none
    ),
    VisionModelFamily(
      "gemini",
      template: .plainPoint,
      coordinates: CoordinateConvention(.thousand, order: .yx),
      resize: .none,
      isSeen: false
    ),
    plain("seeclick", .seeclick, .unit),
    plain("showui", .showui, .unit, showUISize),
    plain("aguvis", .plainPoint, .unit, .qwen25VL, isSeen: false),
    plain("molmo", .plainPoint, .hundred, isSeen: false),
    plain("uground-initial", .plainPoint, .imagePixels),
    plain("gpt-4o", .plainPoint, .imagePixels, isSeen: false),
    plain("claude", .plainPoint, .imagePixels, isSeen: false),
  ]

  private static func pixels(
    _ name: String,
    _ template: PromptTemplate,
    _ resize: ResizeRule,
    isSeen: Bool = true
  ) -> VisionModelFamily {
    plain(name, template, .inputPixels, resize, isSeen: isSeen)
  }

  private static func scaled(
    _ name: String,
    _ template: PromptTemplate,
    _ resize: ResizeRule,
    isSeen: Bool = true
  ) -> VisionModelFamily {
    plain(name, template, .thousand, resize, isSeen: isSeen)
  }

  private static func plain(
    _ name: String,
    _ template: PromptTemplate,
    _ space: CoordinateSpace,
    _ resize: ResizeRule = .none,
    isSeen: Bool = true
  ) -> VisionModelFamily {
    VisionModelFamily(
      name,
      template: template,
      coordinates: CoordinateConvention(space),
      resize: resize,
      isSeen: isSeen
    )
  }
}
