import Tensor

extension UnsafeMutableBufferPointer where Element == Float {
  /// Reorders a range so that the element at `place` is the one that sorting would put there, with
  /// no larger ones before it and no smaller ones behind.
  ///
  /// Hoare's selection; a range that does not get shorter fast is sorted, so that no choice of values
  /// makes this slow.
  func select(_ place: Int, in range: Range<Int>) {
    var (low, high) = (range.lowerBound, range.upperBound - 1)
    var rounds = 0
    while low < high {
      rounds += 1
      if high - low < 12 || rounds > 64 {
        var rest = UnsafeMutableBufferPointer(rebasing: self[low...high])
        rest.sort()
        return
      }
      let pivot = medianOfThree(self[low], self[(low + high) / 2], self[high])
      var (left, right) = (low, high)
      while left <= right {
        while self[left] < pivot { left += 1 }
        while pivot < self[right] { right -= 1 }
        if left <= right {
          swapAt(left, right)
          left += 1
          right -= 1
        }
      }
      // Between right and left all are equal to the pivot.
      if place <= right {
        high = right
      } else if place >= left {
        low = left
      } else {
        return
      }
    }
  }
}

private func medianOfThree(_ a: Float, _ b: Float, _ c: Float) -> Float {
  max(min(a, b), min(max(a, b), c))
}
