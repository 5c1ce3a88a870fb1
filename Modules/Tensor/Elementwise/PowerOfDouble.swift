#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

/// The C library's power, which the method of tensors hides inside their extensions.
func power(_ base: Double, _ exponent: Double) -> Double { pow(base, exponent) }
