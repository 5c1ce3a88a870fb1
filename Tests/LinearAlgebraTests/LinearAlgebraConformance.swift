import Checkpoints
import LinearAlgebra
import Tensor
import TestSupport
import Testing

/// Decompositions of independent implementations; every case that the files hold.
@Suite struct LinearAlgebraConformance {
  static let singular = "novelty/svd_nuclear.safetensors"
  static let symmetric = "novelty/sym_eigen.safetensors"

  static func cases(_ file: String) -> [String] {
    let names = (try? SafetensorsFile(path: Fixtures.file(file)))?.names ?? []
    return names.filter { $0.hasSuffix(".A") }.map { String($0.dropLast(2)) }.sorted()
  }

  static func tensor(_ file: String, _ name: String) throws -> Tensor<Float> {
    try SafetensorsFile(path: Fixtures.file(file)).tensor(named: name, as: Float.self)
  }

  @Test func filesHoldCases() {
    #expect(!Self.cases(Self.singular).isEmpty, "no fixture under \(Fixtures.root)")
    #expect(!Self.cases(Self.symmetric).isEmpty, "no fixture under \(Fixtures.root)")
  }

  @Test(arguments: cases(singular))
  func singularValuesAndNuclearNorm(name: String) throws {
    let a = try Self.tensor(Self.singular, name + ".A")
    let expected = try Self.tensor(Self.singular, name + ".S")
    let scale = expected.elements.first ?? 0
    let found = try a.singularValues()
    expectClose(found, expected, absolute: 1e-6 * scale, name)
    expectClose(
      try a.singularValueDecomposition().singularValues,
      expected,
      absolute: 1e-6 * scale,
      name
    )
    expectClose(
      [try a.nuclearNorm().item],
      try Self.tensor(Self.singular, name + ".nuclear").elements,
      absolute: 1e-6 * scale,
      name
    )
  }

  @Test(arguments: cases(singular))
  func polarFactorsAndKeptValues(name: String) throws {
    let file = try SafetensorsFile(path: Fixtures.file(Self.singular))
    let metadata = try JSONValue.parse(file.metadata["case"] ?? "{}")
    let a = try Self.tensor(Self.singular, name + ".A")
    let polar = try Self.tensor(Self.singular, name + ".polar")
    let tolerance: Float = ["clustered", "wide_range"].contains(name) ? 1e-3 : 1e-4
    expectClose(try a.polarFactor(), polar, absolute: tolerance, name)
    expectClose(
      try a.singularValueDecomposition().polarFactor(),
      polar,
      absolute: tolerance,
      name
    )
    let kept = try a.singularValues().elements.count { $0 > 1e-6 }
    #expect(kept == metadata["kept"]?[name]?.intValue)
  }

  @Test(arguments: cases(singular))
  func factorsRebuildTheMatrix(name: String) throws {
    let a = wide(try Self.tensor(Self.singular, name + ".A"))
    let svd = try a.singularValueDecomposition()
    let bound = 1e-10 * a.frobeniusNorm().item
    expectSame(svd.reconstructed(), a, absolute: bound, name)
    expectOrthonormalColumns(svd.left)
    expectOrthonormalColumns(transpose(svd.rightTransposed))
  }

  @Test(arguments: cases(symmetric))
  func symmetricEigenvalues(name: String) throws {
    let a = try Self.tensor(Self.symmetric, name + ".A")
    let expected = try Self.tensor(Self.symmetric, name + ".w")
    expectClose(try a.symmetricEigenvalues(), expected, absolute: 1e-5, name)
    expectClose(try a.symmetricEigen().values, expected, absolute: 1e-5, name)
  }

  @Test(arguments: cases(symmetric))
  func projectorOfTheLargestEigenspace(name: String) throws {
    let a = wide(try Self.tensor(Self.symmetric, name + ".A"))
    let expected = wide(try Self.tensor(Self.symmetric, name + ".top_projector"))
    let all = try a.symmetricEigen()
    let top = all.values.elements.last ?? 0
    // The eigenspace: eigenvalues within 1e-6, relative, of the largest.
    let extent = all.values.elements.count { top - $0 <= 1e-6 * Swift.max(top.magnitude, 1e-300) }
    let largest = try a.symmetricEigen(largest: extent)
    expectSame(
      product(largest.vectors, transpose(largest.vectors)),
      expected,
      absolute: 1e-5,
      name
    )
  }
}
