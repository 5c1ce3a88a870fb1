import Testing

@Suite struct PointCloudConformance {}
