// swift-tools-version: 6.2
import PackageDescription

// Numeric code in a debug build runs at release speed: without this the tests are 10 to 200 times
// slower. `APUS_CHECKED=1` builds without it, so that the debug traps are exercised too, and declares
// the core alone (see the end).
let checked = Context.environment["APUS_CHECKED"] != nil

let strict: [SwiftSetting] = [
  .enableUpcomingFeature("ExistentialAny"),
  .enableUpcomingFeature("InternalImportsByDefault"),
  .enableUpcomingFeature("MemberImportVisibility"),
  .treatAllWarnings(as: .error),
]
let numeric: [SwiftSetting] =
  strict + (checked ? [] : [.unsafeFlags(["-O"], .when(configuration: .debug))])
let kernelSettings: [CSetting] =
  checked ? [] : [.unsafeFlags(["-O3"], .when(configuration: .debug))]
let math: [LinkerSetting] = [.linkedLibrary("m", .when(platforms: [.linux]))]

// LAPACK for LinearAlgebra, the only target that needs it. The entry of pkg-config makes SwiftPM say
// what to install where it is missing; Apple platforms have Accelerate.
#if os(Linux)
  let lapackPackage: String? = "openblas"
#else
  let lapackPackage: String? = nil
#endif
let lapack: [LinkerSetting] = [
  .linkedLibrary("openblas", .when(platforms: [.linux])),
  .linkedFramework("Accelerate", .when(platforms: [.macOS, .iOS])),
]

// The decoders of ImageFiles, the only module that needs them.
let imageLibraries: [LinkerSetting] = [.linkedLibrary("png"), .linkedLibrary("jpeg")]

// Other packages come with a trait, so that who takes a library alone fetches none: SwiftPM leaves out
// packages that no enabled trait asks for.
func network(_ name: String, _ package: String) -> Target.Dependency {
  .product(name: name, package: package, condition: .when(traits: ["Network"]))
}
func program(_ name: String, _ package: String) -> Target.Dependency {
  .product(name: name, package: package, condition: .when(traits: ["Programs"]))
}
let argumentParser = program("ArgumentParser", "swift-argument-parser")

let package = Package(
  name: "apus",
  platforms: [.macOS(.v15), .iOS(.v18)],
  products: [
    .library(name: "Tensor", targets: ["Tensor"]),
    .library(name: "LinearAlgebra", targets: ["LinearAlgebra"]),
    .library(name: "Autograd", targets: ["Autograd"]),
    .library(name: "Checkpoints", targets: ["Checkpoints"]),
    .library(name: "Transformer", targets: ["Transformer"]),
    .library(name: "Quantization", targets: ["Quantization"]),
    .library(name: "PointCloud", targets: ["PointCloud"]),
    .library(name: "Novelty", targets: ["Novelty"]),
    .library(name: "GUIGrounding", targets: ["GUIGrounding"]),
    .library(name: "GUIGroundingRemote", targets: ["GUIGroundingRemote"]),
    .library(name: "GUIGroundingRender", targets: ["GUIGroundingRender"]),
    .library(name: "Federated", targets: ["Federated"]),
    .library(name: "FederatedFlower", targets: ["FederatedFlower"]),
    .library(name: "FederatedService", targets: ["FederatedService"]),
    .library(name: "ImageFiles", targets: ["ImageFiles"]),
    .executable(name: "apus-quantize", targets: ["apus-quantize"]),
    .executable(name: "apus-generate", targets: ["apus-generate"]),
    .executable(name: "apus-serve", targets: ["apus-serve"]),
    .executable(name: "apus-pretrain", targets: ["apus-pretrain"]),
    .executable(name: "apus-finetune", targets: ["apus-finetune"]),
    .executable(name: "apus-vision", targets: ["apus-vision"]),
    .executable(name: "apus-lidar", targets: ["apus-lidar"]),
    .executable(name: "apus-novelty", targets: ["apus-novelty"]),
    .executable(name: "apus-ground", targets: ["apus-ground"]),
    .executable(name: "apus-federate", targets: ["apus-federate"]),
    .executable(name: "apus-device", targets: ["apus-device"]),
    .executable(name: "apus-bench", targets: ["apus-bench"]),
  ],
  traits: [
    .default(enabledTraits: ["Programs"]),
    .trait(
      name: "Network",
      description: "What GUIGroundingRemote, FederatedFlower and FederatedService need."
    ),
    .trait(
      name: "Programs",
      description: "What the command lines need.",
      enabledTraits: ["Network"]
    ),
  ],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.0"),
    // The federated transports: wire messages, signatures, and TLS with an own authority.
    .package(url: "https://github.com/apple/swift-protobuf", from: "1.39.0"),
    .package(url: "https://github.com/apple/swift-crypto", from: "4.5.0"),
    .package(url: "https://github.com/swift-server/async-http-client", from: "1.37.0"),
    .package(url: "https://github.com/apple/swift-nio", from: "2.101.0"),
    .package(url: "https://github.com/apple/swift-nio-ssl", from: "2.37.0"),
    // The servers of the apps.
    .package(
      url: "https://github.com/hummingbird-project/hummingbird",
      from: "2.28.0",
      traits: []
    ),
    .package(url: "https://github.com/apple/swift-http-types", from: "1.8.0"),
    .package(url: "https://github.com/apple/swift-log", from: "1.14.0"),
    .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.9.0"),
  ],
  targets: [
    .target(
      name: "CKernels",
      path: "Modules/CKernels",
      cSettings: kernelSettings,
      linkerSettings: math + [.linkedFramework("Accelerate", .when(platforms: [.macOS, .iOS]))]
    ),
    .target(
      name: "Tensor",
      dependencies: ["CKernels"],
      path: "Modules/Tensor",
      swiftSettings: numeric,
      linkerSettings: math
    ),
    .systemLibrary(
      name: "CLAPACK",
      path: "Modules/CLAPACK",
      pkgConfig: lapackPackage,
      providers: [.apt(["libopenblas-dev"])]
    ),
    .target(
      name: "LinearAlgebra",
      dependencies: ["Autograd", "Tensor", "CLAPACK"],
      path: "Modules/LinearAlgebra",
      swiftSettings: numeric,
      linkerSettings: math + lapack
    ),
    .target(
      name: "Autograd",
      dependencies: ["Tensor", "Checkpoints"],
      path: "Modules/Autograd",
      swiftSettings: numeric,
      linkerSettings: math
    ),
    .target(
      name: "Checkpoints",
      dependencies: ["Tensor"],
      path: "Modules/Checkpoints",
      swiftSettings: numeric
    ),
    .target(
      name: "Transformer",
      dependencies: ["Autograd", "Tensor", "Checkpoints"],
      path: "Modules/Transformer",
      swiftSettings: numeric,
      linkerSettings: math
    ),
    .target(
      name: "Quantization",
      dependencies: ["Autograd", "LinearAlgebra", "Tensor", "Checkpoints"],
      path: "Modules/Quantization",
      swiftSettings: numeric,
      linkerSettings: math
    ),
    .target(
      name: "PointCloud",
      dependencies: ["Autograd", "Tensor", "Checkpoints"],
      path: "Modules/PointCloud",
      swiftSettings: numeric,
      linkerSettings: math
    ),
    .target(
      name: "Novelty",
      dependencies: ["Autograd", "LinearAlgebra", "Tensor", "Checkpoints"],
      path: "Modules/Novelty",
      swiftSettings: numeric,
      linkerSettings: math
    ),
    .systemLibrary(
      name: "CPNG",
      path: "Modules/CPNG",
      pkgConfig: "libpng",
      providers: [.apt(["libpng-dev", "libjpeg-dev"]), .brew(["libpng", "jpeg-turbo"])]
    ),
    .systemLibrary(
      name: "CJPEG",
      path: "Modules/CJPEG",
      pkgConfig: "libjpeg",
      providers: [.apt(["libpng-dev", "libjpeg-dev"]), .brew(["libpng", "jpeg-turbo"])]
    ),
    .target(
      name: "CImageFiles",
      dependencies: ["CPNG", "CJPEG"],
      path: "Modules/CImageFiles",
      linkerSettings: imageLibraries
    ),
    .target(
      name: "ImageFiles",
      dependencies: ["CImageFiles", "Checkpoints", "Tensor"],
      path: "Modules/ImageFiles",
      swiftSettings: numeric
    ),
    .target(
      name: "GUIGrounding",
      dependencies: ["Transformer", "ImageFiles", "Autograd", "Tensor", "Checkpoints"],
      path: "Modules/GUIGrounding",
      swiftSettings: numeric,
      linkerSettings: math
    ),
    .target(
      name: "GUIGroundingRemote",
      dependencies: [
        "GUIGrounding", "Checkpoints", "Tensor",
        network("NIOCore", "swift-nio"),
        network("NIOPosix", "swift-nio"),
        network("NIOTLS", "swift-nio"),
        network("NIOSSL", "swift-nio-ssl"),
      ],
      path: "Modules/GUIGroundingRemote",
      swiftSettings: strict,
      linkerSettings: math
    ),
    .target(
      name: "GUIGroundingRender",
      dependencies: ["GUIGrounding", "ImageFiles", "Checkpoints", "Tensor"],
      path: "Modules/GUIGroundingRender",
      swiftSettings: strict,
      linkerSettings: math
    ),
    .target(
      name: "Federated",
      dependencies: ["Quantization", "LinearAlgebra", "Autograd", "Tensor", "Checkpoints"],
      path: "Modules/Federated",
      swiftSettings: numeric,
      linkerSettings: math
    ),
    .target(
      name: "FederatedHTTP",
      dependencies: [
        network("AsyncHTTPClient", "async-http-client"),
        network("NIOCore", "swift-nio"),
        network("NIOHTTP1", "swift-nio"),
        network("NIOSSL", "swift-nio-ssl"),
      ],
      path: "Modules/FederatedHTTP",
      swiftSettings: strict
    ),
    .target(
      name: "FederatedFlower",
      dependencies: [
        "FederatedHTTP", "Federated", "Tensor", "Checkpoints",
        network("SwiftProtobuf", "swift-protobuf"),
        network("Crypto", "swift-crypto"),
      ],
      path: "Modules/FederatedFlower",
      exclude: ["Protos"],
      swiftSettings: strict,
      linkerSettings: math
    ),
    .target(
      name: "FederatedService",
      dependencies: [
        "FederatedHTTP", "Federated", "Quantization", "Autograd", "Tensor", "Checkpoints",
        network("Crypto", "swift-crypto"),
      ],
      path: "Modules/FederatedService",
      swiftSettings: strict,
      linkerSettings: math
    ),

    .target(
      name: "Support",
      dependencies: ["Checkpoints", "Tensor", argumentParser],
      path: "Apps/Support",
      swiftSettings: strict
    ),
    .target(
      name: "ModelSupport",
      dependencies: [
        "Support", "Quantization", "Transformer", "Checkpoints", "Autograd", "Tensor",
        argumentParser,
      ],
      path: "Apps/ModelSupport",
      swiftSettings: strict
    ),
    .executableTarget(
      name: "apus-quantize",
      dependencies: [
        "ModelSupport", "Support", "Quantization", "Transformer", "Checkpoints", "Autograd",
        "Tensor", argumentParser,
      ],
      path: "Apps/apus-quantize",
      swiftSettings: strict
    ),
    .executableTarget(
      name: "apus-generate",
      dependencies: [
        "ModelSupport", "Support", "Quantization", "Transformer", "Checkpoints", "Tensor",
        argumentParser,
      ],
      path: "Apps/apus-generate",
      swiftSettings: strict
    ),
    .executableTarget(
      name: "apus-serve",
      dependencies: ["ServingSupport", "ModelSupport", "Support", argumentParser],
      path: "Apps/apus-serve",
      swiftSettings: strict
    ),
    .target(
      name: "ServingSupport",
      dependencies: [
        "ModelSupport", "Support", "Quantization", "Transformer", "Checkpoints", "Tensor",
        program("Hummingbird", "hummingbird"),
        program("HummingbirdCore", "hummingbird"),
        program("HTTPTypes", "swift-http-types"),
        program("NIOCore", "swift-nio"),
        program("NIOHTTP1", "swift-nio"),
        program("Logging", "swift-log"),
        program("ServiceLifecycle", "swift-service-lifecycle"),
      ],
      path: "Apps/ServingSupport",
      swiftSettings: strict
    ),
    .executableTarget(
      name: "apus-pretrain",
      dependencies: [
        "Support", "Transformer", "Checkpoints", "Autograd", "Tensor", argumentParser,
      ],
      path: "Apps/apus-pretrain",
      swiftSettings: strict
    ),
    .executableTarget(
      name: "apus-finetune",
      dependencies: [
        "ModelSupport", "Support", "Quantization", "Transformer", "Checkpoints", "Autograd",
        "Tensor", argumentParser,
      ],
      path: "Apps/apus-finetune",
      swiftSettings: strict
    ),
    .executableTarget(
      name: "apus-vision",
      dependencies: [
        "Support", "Quantization", "Checkpoints", "Autograd", "Tensor", argumentParser,
      ],
      path: "Apps/apus-vision",
      swiftSettings: strict
    ),
    .executableTarget(
      name: "apus-lidar",
      dependencies: [
        "Support", "PointCloud", "Quantization", "Checkpoints", "Autograd", "Tensor",
        argumentParser,
      ],
      path: "Apps/apus-lidar",
      swiftSettings: strict
    ),
    .executableTarget(
      name: "apus-novelty",
      dependencies: [
        "Support", "Novelty", "Transformer", "ImageFiles", "Checkpoints", "Autograd", "Tensor",
        argumentParser,
      ],
      path: "Apps/apus-novelty",
      swiftSettings: strict
    ),
    .executableTarget(
      name: "apus-ground",
      dependencies: [
        "Support", "GUIGroundingRemote", "GUIGroundingRender", "GUIGrounding", "Quantization",
        "ImageFiles", "Checkpoints", "Autograd", "Tensor", argumentParser,
      ],
      path: "Apps/apus-ground",
      swiftSettings: strict
    ),
    .target(
      name: "FederationSupport",
      dependencies: [
        "Support", "FederatedService", "Federated", "Checkpoints", argumentParser,
      ],
      path: "Apps/FederationSupport",
      swiftSettings: strict
    ),
    .executableTarget(
      name: "apus-device",
      dependencies: ["FederationSupport", "Support", argumentParser],
      path: "Apps/apus-device",
      swiftSettings: strict
    ),
    .executableTarget(
      name: "apus-federate",
      dependencies: [
        "FederationSupport", "ModelSupport", "Support", "FederatedService", "FederatedFlower",
        "Federated", "Quantization", "Transformer", "Checkpoints", "Autograd", "Tensor",
        argumentParser,
        program("Hummingbird", "hummingbird"),
        program("HummingbirdCore", "hummingbird"),
        program("HummingbirdTLS", "hummingbird"),
        program("HTTPTypes", "swift-http-types"),
        program("NIOCore", "swift-nio"),
        program("NIOSSL", "swift-nio-ssl"),
        program("Logging", "swift-log"),
        program("ServiceLifecycle", "swift-service-lifecycle"),
      ],
      path: "Apps/apus-federate",
      swiftSettings: strict
    ),
    .executableTarget(
      name: "apus-bench",
      dependencies: [
        "Support", "Quantization", "Transformer", "PointCloud", "Novelty", "GUIGrounding",
        "Checkpoints", "Autograd", "Tensor", "CKernels", argumentParser,
      ],
      path: "Apps/apus-bench",
      swiftSettings: strict
    ),

    .target(
      name: "TestSupport",
      dependencies: ["Autograd", "Checkpoints", "Tensor"],
      path: "Tests/TestSupport",
      swiftSettings: strict
    ),
    .testTarget(
      name: "TensorTests",
      dependencies: ["Tensor", "CKernels", "TestSupport"],
      path: "Tests/TensorTests",
      swiftSettings: strict
    ),
    .testTarget(
      name: "LinearAlgebraTests",
      dependencies: [
        "LinearAlgebra", "CLAPACK", "Autograd", "Checkpoints", "Tensor", "TestSupport",
      ],
      path: "Tests/LinearAlgebraTests",
      swiftSettings: strict
    ),
    .testTarget(
      name: "AutogradTests",
      dependencies: ["Autograd", "Checkpoints", "Tensor", "TestSupport"],
      path: "Tests/AutogradTests",
      swiftSettings: strict
    ),
    .testTarget(
      name: "CheckpointsTests",
      dependencies: ["Checkpoints", "Tensor", "TestSupport"],
      path: "Tests/CheckpointsTests",
      swiftSettings: strict
    ),
    .testTarget(
      name: "TransformerTests",
      dependencies: ["Transformer", "Autograd", "Checkpoints", "Tensor", "TestSupport"],
      path: "Tests/TransformerTests",
      swiftSettings: strict
    ),
    .testTarget(
      name: "QuantizationTests",
      dependencies: ["Quantization", "Autograd", "Checkpoints", "Tensor", "TestSupport"],
      path: "Tests/QuantizationTests",
      swiftSettings: strict
    ),
    .testTarget(
      name: "PointCloudTests",
      dependencies: ["PointCloud", "Autograd", "Checkpoints", "Tensor", "TestSupport"],
      path: "Tests/PointCloudTests",
      swiftSettings: strict
    ),
    .testTarget(
      name: "NoveltyTests",
      dependencies: ["Novelty", "Autograd", "Checkpoints", "Tensor", "TestSupport"],
      path: "Tests/NoveltyTests",
      swiftSettings: strict
    ),
    .testTarget(
      name: "GUIGroundingTests",
      dependencies: [
        "GUIGrounding", "ImageFiles", "Autograd", "Checkpoints", "Tensor", "TestSupport",
      ],
      path: "Tests/GUIGroundingTests",
      swiftSettings: strict
    ),
    .testTarget(
      name: "GUIGroundingRemoteTests",
      dependencies: [
        "GUIGroundingRemote", "GUIGrounding", "ImageFiles", "Checkpoints", "Tensor", "TestSupport",
        program("NIOCore", "swift-nio"),
        program("NIOPosix", "swift-nio"),
        program("NIOSSL", "swift-nio-ssl"),
      ],
      path: "Tests/GUIGroundingRemoteTests",
      swiftSettings: strict
    ),
    .testTarget(
      name: "GUIGroundingRenderTests",
      dependencies: [
        "GUIGroundingRender", "GUIGrounding", "ImageFiles", "Checkpoints", "Tensor", "TestSupport",
      ],
      path: "Tests/GUIGroundingRenderTests",
      swiftSettings: strict
    ),
    .testTarget(
      name: "FederatedTests",
      dependencies: [
        "Federated", "LinearAlgebra", "Autograd", "Checkpoints", "Tensor", "TestSupport",
      ],
      path: "Tests/FederatedTests",
      swiftSettings: strict
    ),
    .testTarget(
      name: "FederatedFlowerTests",
      dependencies: [
        "FederatedFlower", "Federated", "Checkpoints", "Tensor", "TestSupport",
        program("SwiftProtobuf", "swift-protobuf"),
        program("Crypto", "swift-crypto"),
      ],
      path: "Tests/FederatedFlowerTests",
      swiftSettings: strict
    ),
    .testTarget(
      name: "FederatedServiceTests",
      dependencies: [
        "FederatedService", "Federated", "Autograd", "Checkpoints", "Tensor", "TestSupport",
        program("Crypto", "swift-crypto"),
      ],
      path: "Tests/FederatedServiceTests",
      swiftSettings: strict
    ),
    .testTarget(
      name: "ImageFilesTests",
      dependencies: ["ImageFiles", "Checkpoints", "Tensor", "TestSupport"],
      path: "Tests/ImageFilesTests",
      swiftSettings: strict
    ),
    .testTarget(
      name: "ExampleTests",
      dependencies: [
        "Tensor", "LinearAlgebra", "Autograd", "Checkpoints", "Transformer", "Quantization",
        "PointCloud", "Novelty", "ImageFiles", "GUIGrounding", "GUIGroundingRemote",
        "GUIGroundingRender", "Federated", "FederatedFlower", "FederatedService", "TestSupport",
      ],
      path: "Tests/ExampleTests",
      swiftSettings: strict
    ),
    .testTarget(
      name: "IntegrationTests",
      dependencies: [
        "ModelSupport", "Quantization", "Transformer", "ImageFiles", "GUIGroundingRender",
        "Autograd", "Checkpoints", "Tensor", "Support", "TestSupport",
      ],
      path: "Tests/IntegrationTests",
      swiftSettings: strict
    ),
  ],
  swiftLanguageModes: [.v6]
)

// The checked build is for the code that works on raw memory: nothing else is built with it, and no
// other package.
if checked {
  let core = ["CKernels", "Tensor", "Autograd", "Checkpoints", "TestSupport"]
  let tests = ["TensorTests", "CheckpointsTests"]
  package.targets.removeAll { !(core + tests).contains($0.name) }
  package.products.removeAll { !core.contains($0.name) }
  package.dependencies = []
}

// Random input for all readers, only built by `Tools/fuzz`, whose sanitizer watches the C code too.
if Context.environment["APUS_FUZZ"] != nil {
  for target in package.targets where ["CKernels", "CImageFiles"].contains(target.name) {
    target.cSettings = (target.cSettings ?? []) + [.unsafeFlags(["-fsanitize=address"])]
  }
  package.targets.append(
    .executableTarget(
      name: "apus-fuzz",
      dependencies: [
        "Tensor", "Autograd", "Checkpoints", "Transformer", "Quantization", "PointCloud", "Novelty",
        "ImageFiles", "GUIGrounding", "GUIGroundingRemote", "GUIGroundingRender", "Federated",
        "FederatedFlower", "FederatedService", "ModelSupport", "ServingSupport",
        program("SwiftProtobuf", "swift-protobuf"),
        program("Crypto", "swift-crypto"),
      ],
      path: "Tests/Fuzz",
      swiftSettings: strict
    )
  )
}
