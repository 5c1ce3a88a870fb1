import Testing

@Suite struct FederatedConformance {}
