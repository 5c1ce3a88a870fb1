/// The layouts of annotations that are read; declared by the caller, never guessed, because files
/// of the same name exist with `x, y, width, height` and with corners.
public enum GroundingLayout: String, Codable, CaseIterable, Sendable {
  /// ScreenSpot: `bbox` is x, y, width, height in pixels.
  case screenSpot = "screenspot"
  /// ScreenSpot-v2 as released: the same.
  case screenSpotV2 = "screenspot-v2"
  /// ScreenSpot-Pro, and the variants of ScreenSpot-v2 in its form: `bbox` is x0, y0, x1, y1.
  case screenSpotPro = "screenspot-pro"
  /// ScreenSpot with descriptions by a planner, from UGround: lines, boxes as in ScreenSpot.
  case uGroundScreenSpot = "uground-screenspot"
  /// UGround-V1: conversations, points in thousandths.
  case uGroundPoint = "uground-point"
  /// UGround-V1 with boxes: conversations, corners in pixels.
  case uGroundBox = "uground-box"
  /// OS-Atlas: corners as shares of the sides; one element a row, or a list of them.
  case osAtlas = "os-atlas"
  /// SeeClick: a list of elements a row, corners as shares.
  case seeClick = "seeclick-web"
  /// ShowUI: a list of elements a row, corners as shares.
  case showUI = "showui"
  /// GTA1 and VLM-R1: conversations, corners in thousandths.
  case gta1
  /// GUI-R1: corners or a point as shares; clicks only.
  case guiR1 = "gui-r1"
  /// MultiUI and other conversations: whatever answers name a place count, as the options'
  /// convention says.
  case conversations
  /// AutoGUI: corners in the pixels of the row's `image_size`.
  case autoGUI = "autogui"
  /// This package's own lines.
  case native
}
