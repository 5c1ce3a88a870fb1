import Foundation
import GUIGrounding
import Testing

@testable import GUIGroundingRemote

@Suite struct ChatServerTests {
  private func error(
    _ baseURL: String = "http://h/v1",
    extra: String = "{}",
    key: String? = nil,
    environment: [String: String] = [:]
  ) throws -> ChatError {
    var server = ChatServer(baseURL: baseURL, model: "m")
    server.extraFields = extra
    server.keyVariable = key
    return try #require(throws: ChatError.self) {
      try RemoteGroundingPolicy(
        server: server,
        family: Scene.plainFamily,
        environment: environment
      ) { _ in }
    }
  }

  @Test(arguments: [
    "", "h/v1", "ftp://h/v1", "file:///etc", "http://", "http:///v1", "http://u:p@h/v1",
    "http://h/v1?key=1", "http://h/v1#x", "http://h:99999999/v1", "ht tp://h",
  ])
  func badBaseURLs(_ url: String) throws {
    let error = try error(url)
    guard case .invalid = error.reason else {
      Issue.record("\(error)")
      return
    }
  }

  @Test(arguments: [
    ("http://h/v1", "http://h/v1/chat/completions"),
    ("https://h:8443/a/v1//", "https://h:8443/a/v1/chat/completions"),
    ("http://[::1]:8080/v1/", "http://[::1]:8080/v1/chat/completions"),
  ])
  func endpoints(_ base: String, _ expected: String) throws {
    #expect(try ChatServer(baseURL: base, model: "m").endpoint().absoluteString == expected)
  }

  @Test(arguments: ["", "[]", "{", "{\"n\":3}", "{\"seed\":1}", "{\"messages\":[]}"])
  func badExtraFields(_ text: String) throws {
    guard case .invalid(let reason) = try error(extra: text).reason else {
      Issue.record("\(text) was taken")
      return
    }
    #expect(reason.hasPrefix("extra fields"))
  }

  @Test func keysComeFromTheEnvironmentOnly() throws {
    let missing = try error(key: "NO_SUCH_KEY")
    #expect(missing.reason == .missingKey(variable: "NO_SUCH_KEY"))
    #expect("\(missing)".contains("NO_SUCH_KEY"))
    let empty = try error(key: "K", environment: ["K": " \n"])
    #expect(empty.reason == .missingKey(variable: "K"))
    let broken = try error(key: "K", environment: ["K": "abcd\r\nX-Other: 1"])
    guard case .invalid(let text) = broken.reason else {
      Issue.record("\(broken)")
      return
    }
    #expect(!text.contains("abcd"))
  }

  @Test func everyFamilyHasANameOfItsOwn() {
    let names = VisionModelFamily.all.map(\.name)
    #expect(Set(names).count == names.count)
    #expect(names.allSatisfy { VisionModelFamily.named($0.uppercased())?.name == $0 })
    #expect(VisionModelFamily.named("no such model") == nil)
  }

  /// The rows of the table of conventions.
  @Test(arguments: [
    ("qwen2.5-vl", CoordinateSpace.inputPixels, CoordinateOrder.xy), ("gta1", .inputPixels, .xy),
    ("uground-v1", .thousand, .xy), ("qwen3-vl", .thousand, .xy), ("deepseek-vl2", .nine99, .xy),
    ("gemini", .thousand, .yx), ("showui", .unit, .xy), ("molmo", .hundred, .xy),
    ("gpt-4o", .imagePixels, .xy),
  ])
  func conventions(_ name: String, _ space: CoordinateSpace, _ order: CoordinateOrder) throws {
    let family = try #require(VisionModelFamily.named(name))
    #expect(family.coordinates == CoordinateConvention(space, order: order))
  }

  @Test func templatesSayWhatTheNumbersMean() {
    let size = PixelSize(width: 1288, height: 728)
    func system(_ template: PromptTemplate, _ space: CoordinateSpace) -> String {
      template.systemText(size, CoordinateConvention(space)) ?? ""
    }
    #expect(system(.reguide, .inputPixels).hasSuffix("(x, y) in pixels of the 1288x728 image."))
    #expect(system(.reguide, .thousand).contains("0 to 1000"))
    #expect(system(.qwenTool, .inputPixels).contains("resolution is 1288x728"))
    #expect(system(.qwenTool, .thousand).contains("resolution is 1000x1000"))
    let swapped = CoordinateConvention(.thousand, order: .yx)
    #expect(PromptTemplate.plainPoint.userText("x", size, swapped).contains("(y, x)"))
    let seeclick = PromptTemplate.seeclick.userText("open", size, CoordinateConvention(.unit))
    #expect(seeclick.hasSuffix("to the command \"open\" (with point)?"))
    for template in PromptTemplate.allCases {
      #expect(template.userText("PLACE", size, swapped).contains("PLACE"))
    }
  }

  /// What the tool's declaration says must be JSON that a model was trained to read.
  @Test func theToolIsDeclaredInJSON() throws {
    let size = PixelSize(width: 28, height: 56)
    let text = try #require(
      PromptTemplate.qwenTool.systemText(size, CoordinateConvention(.inputPixels))
    )
    let start = try #require(text.range(of: "<tools>\n"))
    let end = try #require(text.range(of: "\n</tools>"))
    let data = Data(text[start.upperBound..<end.lowerBound].utf8)
    let tool = try #require(
      JSONSerialization.jsonObject(with: data) as? [String: Any]
    )
    #expect((tool["function"] as? [String: Any])?["name"] as? String == "computer_use")
  }
}
