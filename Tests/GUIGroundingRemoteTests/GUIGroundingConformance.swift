import Testing

@Suite struct GUIGroundingConformance {}
