import Testing

@Suite struct NoveltyConformance {}
