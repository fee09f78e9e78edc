// swift-tools-version: 6.2
import PackageDescription

/// Settings of every Swift target: the strict language, and no C type in a public signature.
let strict: [SwiftSetting] = [
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("InternalImportsByDefault"),
]

func library(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
    .target(name: name, dependencies: dependencies, swiftSettings: strict)
}

/// `data`: folders beside the tests that they read by path.
func tests(
    _ name: String, _ dependencies: [Target.Dependency], data: [String] = []
) -> Target {
    .testTarget(name: name, dependencies: dependencies, exclude: data, swiftSettings: strict)
}

let yams: Target.Dependency = .product(name: "Yams", package: "Yams")
let argumentParser: Target.Dependency = .product(
    name: "ArgumentParser", package: "swift-argument-parser")

let package = Package(
    name: "apus",
    products: [
        .executable(name: "apus", targets: ["apus"]),
        .executable(name: "apus-worker", targets: ["apus-worker"]),
        .library(name: "ApusTrain", targets: ["ApusTrain"]),
        .library(name: "ApusModels", targets: ["ApusModels"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.5.0"),
        .package(url: "https://github.com/jpsim/Yams", from: "6.0.0"),
    ],
    targets: [
        // C and C++, reachable only by `internal import`.
        .systemLibrary(name: "CLibtorch", pkgConfig: "apus-libtorch"),
        .target(
            name: "CApusTorch",
            dependencies: ["CLibtorch"],
            cxxSettings: [
                .define("USE_C10D_GLOO"), .define("USE_DISTRIBUTED"), .define("USE_RPC"),
                .headerSearchPath("gloo-stand-in"),
            ],
            linkerSettings: ["torch", "torch_cpu", "c10"].map { .linkedLibrary($0) }),
        .target(name: "CApusHost", cSettings: [.define("_GNU_SOURCE")]),

        // Vocabulary: no libtorch, no Foundation.
        library("ApusBase", []),

        // Foundations.
        library("ApusFormats", ["ApusBase", "CApusHost"]),
        library("ApusShard", ["ApusBase"]),
        library("ApusTensor", ["ApusBase", "CApusTorch", "CApusHost"]),

        // Services.
        library("ApusComm", ["ApusBase", "ApusTensor", "CApusTorch", "CApusHost"]),
        library("ApusOptim", ["ApusBase", "ApusTensor", "CApusHost"]),
        library("ApusLaunch", ["ApusBase", "CApusHost"]),
        library("ApusConfig", ["ApusBase", yams]),

        // Engines.
        library("ApusNN", ["ApusBase", "ApusTensor", "CApusHost"]),
        library("ApusZeRO", ["ApusBase", "ApusShard", "ApusTensor", "ApusComm", "ApusOptim"]),
        library("ApusTokenizer", ["ApusBase", "ApusFormats"]),
        library("ApusCheckpoint", ["ApusBase", "ApusFormats", "CApusHost"]),

        // Families.
        library("ApusModels", ["ApusBase", "ApusFormats", "ApusTensor", "ApusNN"]),
        library(
            "ApusData", ["ApusBase", "ApusConfig", "ApusFormats", "ApusTokenizer", "CApusHost"]),
        library("ApusHub", ["ApusBase", "ApusFormats", "CApusHost"]),
        library("ApusExport", ["ApusBase", "ApusFormats", "ApusTokenizer"]),

        // Applications.
        library(
            "ApusTrain",
            [
                "ApusBase", "ApusFormats", "ApusShard", "ApusTensor", "ApusComm", "ApusOptim", "ApusNN",
                "ApusZeRO", "ApusTokenizer", "ApusModels", "ApusData", "ApusConfig", "ApusCheckpoint",
            ]),

        // Executables.
        .executableTarget(
            name: "apus",
            dependencies: [
                "ApusBase", "ApusConfig", "ApusLaunch", "ApusTokenizer", "ApusFormats", "ApusData",
                "ApusShard", "ApusExport", "ApusHub", "ApusCheckpoint", argumentParser,
            ],
            swiftSettings: strict),
        .executableTarget(
            name: "apus-worker",
            dependencies: [
                "ApusBase", "ApusFormats", "ApusTensor", "ApusComm", "ApusOptim", "ApusModels",
                "ApusTokenizer", "ApusTrain", "ApusConfig", "ApusShard", argumentParser,
            ],
            swiftSettings: strict),

        // Tests.
        .target(
            name: "ApusTestSupport", dependencies: ["ApusBase", "ApusFormats", "ApusTensor"],
            path: "Tests/ApusTestSupport", swiftSettings: strict),
        .target(
            name: "FileTestSupport", dependencies: ["ApusFormats"], path: "Tests/FileTestSupport",
            swiftSettings: strict),
        tests("ApusBaseTests", ["ApusBase"]),
        .target(
            name: "FileFuzz", dependencies: ["ApusBase", "ApusFormats"], path: "Tests/FileFuzz",
            swiftSettings: strict),
        .executableTarget(
            name: "apus-file-fuzz", dependencies: ["ApusBase", "FileFuzz"],
            path: "Tests/FileFuzzProgram", swiftSettings: strict),
        tests(
            "ApusFormatsTests", ["ApusBase", "ApusFormats", "FileFuzz", "FileTestSupport"],
            data: ["Goldens"]),
        tests("ApusShardTests", ["ApusBase", "ApusShard"]),
        tests(
            "ApusTensorTests", ["ApusBase", "ApusTensor", "ApusTestSupport"], data: ["Fixtures"]),
        .target(
            name: "CommConformance", dependencies: ["ApusBase", "ApusTensor", "ApusComm"],
            path: "Tests/CommConformance", swiftSettings: strict),
        .executableTarget(
            name: "apus-comm-probe",
            dependencies: ["ApusBase", "ApusTensor", "ApusComm", "CommConformance"],
            path: "Tests/CommProbe", swiftSettings: strict),
        tests(
            "ApusCommTests",
            ["ApusBase", "ApusTensor", "ApusComm", "CommConformance", "apus-comm-probe"]),
        tests("HostKernelTests", ["ApusBase", "CApusHost"]),
        tests("ApusOptimTests", ["ApusBase", "ApusTensor", "ApusOptim"], data: ["Fixtures"]),
        tests("ApusLaunchTests", ["ApusBase", "ApusLaunch", "FileTestSupport"]),
        tests(
            "ApusConfigTests", ["ApusBase", "ApusConfig", "FileTestSupport"], data: ["Fixtures"]),
        tests(
            "ApusNNTests", ["ApusBase", "ApusFormats", "ApusTensor", "ApusNN", "ApusTestSupport"],
            data: ["Fixtures"]),
        tests(
            "ApusZeROTests",
            ["ApusBase", "ApusShard", "ApusTensor", "ApusComm", "ApusOptim", "ApusZeRO", "ApusTestSupport"]),
        .executableTarget(
            name: "apus-template-probe", dependencies: ["ApusBase", "ApusFormats", "ApusTokenizer"],
            path: "Tests/TemplateProbe", swiftSettings: strict),
        tests(
            "ApusTokenizerTests", ["ApusBase", "ApusFormats", "ApusTokenizer", "FileTestSupport"],
            data: ["Fixtures"]),
        .executableTarget(
            name: "apus-model-probe", dependencies: ["ApusBase", "ApusFormats", "ApusModels", "ApusNN"],
            path: "Tests/ModelProbe", swiftSettings: strict),
        tests(
            "ApusModelsTests",
            [
                "ApusBase", "ApusFormats", "ApusShard", "ApusTensor", "ApusNN", "ApusModels",
                "ApusExport", "ApusTestSupport", "FileFuzz", "FileTestSupport",
            ], data: ["Fixtures"]),
        .executableTarget(
            name: "apus-checkpoint-probe", dependencies: ["ApusBase", "ApusFormats", "ApusCheckpoint"],
            path: "Tests/CheckpointProbe", swiftSettings: strict),
        tests(
            "ApusCheckpointTests",
            [
                "ApusBase", "ApusFormats", "ApusCheckpoint", "FileTestSupport",
                "apus-checkpoint-probe",
            ],
            data: ["Fixtures"]),
        tests("ApusHubTests", ["ApusBase", "ApusFormats", "ApusHub"], data: ["Programs"]),
        tests("ApusExportTests", ["ApusBase", "ApusFormats", "ApusTokenizer", "ApusExport"], data: ["Goldens"]),
        tests(
            "ApusDataTests",
            ["ApusBase", "ApusFormats", "ApusTokenizer", "ApusData", "FileTestSupport"]),
        tests(
            "ApusTrainTests",
            [
                "ApusBase", "ApusConfig", "ApusFormats", "ApusTensor", "ApusComm", "ApusOptim", "ApusNN", "ApusShard",
                "ApusZeRO",
                "ApusModels", "ApusData", "ApusTrain", "ApusCheckpoint", "ApusTestSupport",
            ], data: ["Fixtures"]),
        .target(
            name: "ProgramTestSupport", path: "Tests/ProgramTestSupport", swiftSettings: strict),
        tests("CommandLineTests", ["ApusBase", "ProgramTestSupport"]),
        tests("EndToEndTests", ["ApusBase", "ProgramTestSupport"]),
        tests("TidyTests", []),
    ],
    swiftLanguageModes: [.v6],
    cLanguageStandard: .c11,
    cxxLanguageStandard: .cxx20
)
