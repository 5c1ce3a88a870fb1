import Foundation

extension String {
  /// The name of a file without its folder and its last ending; `.pcd.bin` is one ending.
  var fileStem: String {
    let name = URL(filePath: self).lastPathComponent
    for ending in [".pcd.bin"] where name.lowercased().hasSuffix(ending) && name != ending {
      return String(name.dropLast(ending.count))
    }
    guard let dot = name.lastIndex(of: "."), dot != name.startIndex else { return name }
    return String(name[..<dot])
  }
}
