import Testing

extension Tag {
  /// Tests of means over random draws, with a fixed seed and a stated margin.
  @Tag static var statistical: Self
}
