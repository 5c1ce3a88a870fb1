import Foundation
import Support

/// A page that shows a cloud: one HTML file that loads nothing.
///
/// When the points are drawn the root element has `data-state="ready"`, `data-renderer` (webgl or
/// canvas), `data-points` (those that are shown) and `data-filled` (the share of pixels that are
/// not background); `data-state="failed"` if they cannot be. `#canvas` behind the address draws
/// without WebGL.
struct ViewerPage {
  let cloud: ViewerCloud

  /// The page.
  func html() throws -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    // An end tag inside a text would end the element.
    let data = String(decoding: try encoder.encode(cloud), as: UTF8.self)
      .replacing("<", with: "\\u003c")
    return """
      <!DOCTYPE html>
      <html lang="en" data-state="loading">
      <head>
      <meta charset="utf-8">
      <meta name="viewport" content="width=device-width, initial-scale=1">
      <meta name="color-scheme" content="light dark">
      <meta http-equiv="Content-Security-Policy" content="default-src 'none'; \
      style-src 'unsafe-inline'; script-src 'unsafe-inline'">
      <title>\(escaped(cloud.title))</title>
      <style>\(Self.style)</style>
      </head>
      <body>
      \(Self.controls)
      <script type="application/json" id="cloud">\(data)</script>
      <script>\(Self.script)</script>
      </body>
      </html>

      """
  }

  private func escaped(_ text: String) -> String {
    text.replacing("&", with: "&amp;").replacing("<", with: "&lt;")
  }

  private static let controls = """
    <canvas id="view" tabindex="0" aria-label="The points; arrow keys turn them"></canvas>
    <aside id="panel">
      <h1 id="title"></h1>
      <p id="facts"></p>
      <label>color <select id="layer"></select></label>
      <div id="legend"></div>
      <label>point size <input id="size" type="range" min="1" max="8" step="0.5" value="2"></label>
      <p>
        <button id="reset" type="button">start</button>
        <button id="top" type="button">from above</button>
        <button id="theme" type="button">light / dark</button>
      </p>
      <details><summary>keys</summary>
        drag or arrows: turn<br>right drag, two fingers or shift + arrows: move<br>
        wheel, pinch, + and −: nearer, farther<br>0: start, 5: from above, t: light / dark
      </details>
    </aside>
    <p id="error" role="alert" hidden></p>
    """

  private static let style = """
    :root{--back:#fafafa;--text:#222;--panel:#ffffffdd;color-scheme:light}
    :root[data-theme=dark]{--back:#111418;--text:#ddd;--panel:#1c2127dd;color-scheme:dark}
    html,body{margin:0;height:100%;background:var(--back);color:var(--text);
    font:14px/1.5 system-ui,sans-serif;overflow:hidden}
    canvas{position:fixed;inset:0;width:100%;height:100%;touch-action:none;cursor:grab;outline:0}
    #panel{position:fixed;top:0;left:0;margin:.75rem;padding:.75rem 1rem;background:var(--panel);
    border-radius:.5rem;max-width:16rem;max-height:calc(100% - 3rem);overflow:auto}
    h1{font-size:1rem;margin:0;overflow-wrap:anywhere}
    #panel p{margin:.25rem 0}#panel label{display:block;margin:.25rem 0}
    #legend{margin:.5rem 0}#legend label{display:flex;gap:.4rem;align-items:center;margin:0}
    #legend i{width:.8rem;height:.8rem;border-radius:.2rem;flex:none}
    #legend span{flex:1}#legend small{opacity:.7}
    #bar{height:.8rem;border-radius:.2rem}
    #ends{display:flex;justify-content:space-between}
    #error{position:fixed;inset:40% 10% auto;text-align:center}
    """
}
