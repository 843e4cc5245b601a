// swift-tools-version: 6.0
// Footpost for Swift. `generate` makes first what is under Generated, from the Rust beside it; whoever
// links says where the library is: `swift build -Xlinker -L$PWD/Generated`.
import PackageDescription

let package = Package(
    name: "Footpost",
    platforms: [.iOS(.v16), .macOS(.v13)],
    products: [.library(name: "Footpost", targets: ["Footpost"])],
    targets: [
        .target(name: "Footpost", dependencies: ["FootpostGenerated"]),
        // What UniFFI writes holds to the rules of Swift 5.
        .target(
            name: "FootpostGenerated", dependencies: ["FootpostFFI"], path: "Generated/swift",
            swiftSettings: [.swiftLanguageMode(.v5)], linkerSettings: [.linkedLibrary("footpost_ffi")]),
        .systemLibrary(name: "FootpostFFI", path: "Generated/c"),
        // What tests do in a process of its own.
        .executableTarget(name: "FootpostTestProcess", dependencies: ["FootpostTestNodes"], path: "Tests/Process"),
        .target(name: "FootpostTestNodes", dependencies: ["Footpost"], path: "Tests/Nodes"),
        // The program that docs/embed.md shows.
        .target(name: "Embed", dependencies: ["Footpost"], path: "Tests/Embed"),
        .target(name: "FootpostTestHeap", path: "Tests/Heap"),
        .testTarget(
            name: "FootpostTests", dependencies: ["Embed", "FootpostTestHeap", "FootpostTestNodes", "FootpostTestProcess"]),
    ]
)
