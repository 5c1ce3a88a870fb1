/// Calls `body` for every item, at most `width` at a time, and returns the results in order.
///
/// The first failure ends it; `check` sees every result as it arrives and may fail too.
func inParallel<Item: Sendable, Result: Sendable>(
  _ items: [Item],
  width: Int,
  isolation: isolated (any Actor)? = #isolation,
  _ body: @escaping @Sendable (Item) async throws(FlowerError) -> Result,
  check: (Result) throws(FlowerError) -> Void = { _ in }
) async throws(FlowerError) -> [Result] {
  typealias Outcome = Swift.Result<Result, FlowerError>
  var results = [Result?](repeating: nil, count: items.count)
  var failure: FlowerError?
  await withTaskGroup(of: (Int, Outcome).self) { group in
    var next = 0
    func start() {
      guard next < items.count, failure == nil else { return }
      let (place, item) = (next, items[next])
      next += 1
      group.addTask {
        do throws(FlowerError) {
          return (place, .success(try await body(item)))
        } catch {
          return (place, .failure(error))
        }
      }
    }
    for _ in 0..<max(1, width) { start() }
    while let (place, outcome) = await group.next(isolation: isolation) {
      do throws(FlowerError) {
        let result = try outcome.get()
        try check(result)
        results[place] = result
      } catch {
        if failure == nil { failure = error }
        group.cancelAll()
      }
      start()
    }
  }
  if let failure { throw failure }
  return results.compactMap { $0 }
}
