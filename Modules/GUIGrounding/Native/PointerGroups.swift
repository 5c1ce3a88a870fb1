import Tensor

/// Which cells of the grid each place word and each bin stands for.
///
/// A cell belongs to the part of the view that its centre lies in; a part without any takes the cell
/// that its own centre lies in. So a column of 16 serves two of 32 bins, and a bin of 32 has two
/// of 64 columns.
///
/// - Shapes: S = H · W cells; groups: 16 cells of the coarse grid, 16 offsets inside them, B columns
///   and B rows.
struct PointerGroups {
  /// 1 where a cell belongs to a group [S × (32 + 2 B)].
  let membership: Tensor<Float>
  /// The cells of each group, in order.
  let cells: [[Int32]]
  let binCount: Int

  init(gridWidth: Int, gridHeight: Int, binCount: Int) {
    let (columns16, rows16) = (parts(16, of: gridWidth), parts(16, of: gridHeight))
    let (columns, rows) = (parts(binCount, of: gridWidth), parts(binCount, of: gridHeight))
    let all = Array(0..<gridHeight)
    var cells: [[Int32]] = []
    func add(rows: some Sequence<Int>, columns: some Sequence<Int>) {
      let columns = Array(columns)
      cells.append(rows.flatMap { row in columns.map { Int32(row * gridWidth + $0) } })
    }
    func coarse(_ parts: [[Int]], _ place: Int) -> [Int] {
      distinct(parts[place * 4..<place * 4 + 4].flatMap { $0 })
    }
    func fine(_ parts: [[Int]], _ place: Int) -> [Int] {
      distinct(stride(from: place, to: 16, by: 4).flatMap { parts[$0] })
    }
    for place in 0..<16 {
      add(rows: coarse(rows16, place / 4), columns: coarse(columns16, place % 4))
    }
    for place in 0..<16 { add(rows: fine(rows16, place / 4), columns: fine(columns16, place % 4)) }
    for bin in 0..<binCount { add(rows: all, columns: columns[bin]) }
    for bin in 0..<binCount { add(rows: rows[bin], columns: 0..<gridWidth) }
    self.cells = cells
    self.binCount = binCount
    let count = cells.count
    var members = Tensor<Float>.zeros([gridWidth * gridHeight, count])
    members.withUnsafeMutableElements { members in
      for (group, cells) in cells.enumerated() {
        for cell in cells { members[Int(cell) * count + group] = 1 }
      }
    }
    membership = members
  }
}

/// The places of a side that belong to each of `count` equal parts of it.
private func parts(_ count: Int, of side: Int) -> [[Int]] {
  var parts = [[Int]](repeating: [], count: count)
  for place in 0..<side { parts[(2 * place + 1) * count / (2 * side)].append(place) }
  for part in 0..<count where parts[part].isEmpty {
    parts[part] = [(2 * part + 1) * side / (2 * count)]
  }
  return parts
}

private func distinct(_ places: [Int]) -> [Int] { Array(Set(places)).sorted() }
