import Foundation
import GUIGrounding
import GUIGroundingRender

let folder = NSTemporaryDirectory() + "apus-product-\(UUID().uuidString)"
try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
let site = SyntheticSite(number: 3, seed: 1)
for page in 0..<3 {
  try Data(site.html(page: page).utf8).write(to: URL(filePath: "\(folder)/\(page).html"))
}
let pages = try PageSet.find(name: "site", in: folder, minimumByteCount: 1)
print(site.layout, pages, (try? BrowserProgram.find()) ?? "no browser")
