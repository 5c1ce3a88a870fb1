import Checkpoints
import Foundation
import GUIGroundingRender
import TestSupport
import Testing

private let hasBrowser = (try? BrowserProgram.find()) != nil

/// The chat page of `apus-serve`, used in a browser.
@Suite(
  .enabled(if: hasBrowser, "needs Chromium or Chrome on the PATH"),
  .timeLimit(.minutes(10))
)
struct ChatPageTests {
  /// Looks at the page until an expression is true, for ten seconds at most.
  private func waits(on page: BrowserPage, until expression: String) async throws -> Bool {
    for _ in 0..<200 {
      if try await page.evaluate(expression) == true { return true }
      try await Task.sleep(for: .milliseconds(50))
    }
    return false
  }

  private func withPage(_ body: (ServerUnderTest, BrowserPage) async throws -> Void) async throws {
    try await withTemporaryFolder { folder in
      try TinyModel().write(to: folder + "/tiny")
      try Data(GenerateTests.template.utf8)
        .write(to: URL(filePath: folder + "/tiny/chat_template.jinja"))
      let server = try ServerUnderTest([folder + "/tiny"])
      let browser = try await ChromiumBrowser.start(network: .allowed)
      do {
        let page = try await browser.openPage()
        try await page.open(server.address + "/")
        try await body(server, page)
        await browser.close()
      } catch {
        await browser.close()
        throw error
      }
    }
  }

  @Test func aConversationIsHeldInABrowser() async throws {
    try await withPage { server, page in
      #expect(try await waits(on: page, until: "element('model').value === 'tiny'"))
      _ = try await page.evaluate(
        "element('temperature').value = 0, element('tokens').value = 12, "
          + "element('text').value = 'Hi <b>there</b>', element('send').click()"
      )
      let done = "!element('send').disabled && messages.length === 2"
      #expect(try await waits(on: page, until: done))
      let turns = try await page.evaluate(
        "[...document.querySelectorAll('article')].map((turn) => [turn.className, turn.textContent])"
      )
      #expect(turns[0] == ["user", "Hi <b>there</b>"])
      #expect(turns[1]?[0] == "assistant")
      let expected = try await server.post(
        "/v1/chat/completions",
        [
          "model": "tiny", "temperature": 0, "max_tokens": 12,
          "messages": [["role": "user", "content": "Hi <b>there</b>"]],
        ]
      )
      #expect(turns[1]?[1] == expected["choices"]?[0]?["message"]?["content"])
      // What a user writes is text, whatever it looks like.
      #expect(try await page.evaluate("document.querySelectorAll('article b').length") == 0)
      #expect(try await page.evaluate("element('note').textContent.includes('wrote 12')") == true)
      // A second turn has the first before it; a third begins anew.
      _ = try await page.evaluate("element('text').value = 'More', element('send').click()")
      #expect(try await waits(on: page, until: "messages.length === 4"))
      _ = try await page.evaluate("element('new').click()")
      #expect(try await page.evaluate("document.querySelectorAll('article').length") == 0)
    }
  }

  @Test func refusalsAreShown() async throws {
    try await withPage { _, page in
      #expect(try await waits(on: page, until: "element('model').value === 'tiny'"))
      let long = String(repeating: "long ", count: 200)
      _ = try await page.evaluate("element('text').value = '\(long)', element('send').click()")
      let isShown = "document.querySelector('article.error')?.textContent.includes('shorten it')"
      #expect(try await waits(on: page, until: isShown))
      #expect(try await page.evaluate("!element('send').disabled && messages.length === 0") == true)
    }
  }
}
