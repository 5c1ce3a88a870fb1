import Checkpoints
import Testing

/// Known digests of SHA-256.
@Suite struct ContentHashTests {
  @Test(arguments: [
    ("", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
    ("abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
    (
      "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
      "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"
    ),
  ])
  func digestsAreTheKnownOnes(text: String, expected: String) {
    var hash = ContentHash()
    Array(text.utf8).withUnsafeBytes { hash.update($0) }
    #expect(hash.digest() == expected)
  }

  @Test func digestsOfManyPiecesAreThoseOfTheWhole() {
    var (hash, pieces) = (ContentHash(), ContentHash())
    let bytes = [UInt8](repeating: UInt8(ascii: "a"), count: 1_000_000)
    bytes.withUnsafeBytes { bytes in
      hash.update(bytes)
      var start = 0
      for size in sequence(first: 1, next: { $0 % 97 + 3 }) where start < bytes.count {
        let end = min(start + size, bytes.count)
        pieces.update(UnsafeRawBufferPointer(rebasing: bytes[start..<end]))
        start = end
        if start == bytes.count { break }
      }
    }
    let expected = "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"
    #expect(hash.digest() == expected && pieces.digest() == expected)
  }
}
