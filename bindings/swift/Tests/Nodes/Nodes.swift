// Nodes for the tests: real ones, that listen on loopback and ask for no work.

import Footpost
import Foundation

/// Longer than anything here takes.
let soon = Duration.seconds(60)

/// A node that is found by its address alone, acknowledges at once, and asks for no work.
public func config(
    _ directory: URL, listen: String = "127.0.0.1:0", peers: [String] = [], maxCarriedBytes: UInt64? = nil
) -> Config {
    Config(
        directory: directory.path, listen: listen, peers: peers, lan: false, maxCarriedBytes: maxCarriedBytes,
        ackDelayMaxMs: 0, simulated: true)
}

public func start(_ directory: URL, _ peers: String...) throws -> Footpost {
    try Footpost.open(config: config(directory, peers: peers), vault: .open)
}

/// Runs a test in a directory of its own.
public func atHome<R>(_ test: (URL) async throws -> R) async throws -> R {
    let home = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString)
    try FileManager.default.createDirectory(at: home, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: home) }
    return try await test(home)
}

public struct Pair: Sendable {
    public let alice: Footpost
    public let bob: Footpost
    /// What Alice calls Bob.
    public let bobs: Int64
    /// What Bob calls Alice.
    public let alices: Int64
}

/// Alice and Bob, connected.
public func pair(_ home: URL, _ test: (Pair) async throws -> Void) async throws {
    try await start(home / "alice").shutDown { alice in
        try await start(home / "bob", alice.listenAddress()).shutDown { bob in
            let bobs = try await alice.meet(bob, "Bob")
            let alices = try await bob.meet(alice, "Alice")
            try await test(Pair(alice: alice, bob: bob, bobs: bobs, alices: alices))
        }
    }
}

extension Footpost {
    /// Shuts the node down in order after its use, whatever happens.
    @discardableResult
    public func shutDown<R>(after use: (Footpost) async throws -> R) async throws -> R {
        do {
            let result = try await use(self)
            try await shutdown()
            return result
        } catch {
            try? await shutdown()
            throw error
        }
    }

    /// Gives this node the card of another.
    public func meet(_ whom: Footpost, _ name: String) async throws -> Int64 {
        try await addContact(card: whom.card(), name: name)
    }

    /// Waits for the first event of which something is wanted.
    public func event<R: Sendable>(_ wanted: @escaping @Sendable (Event) -> R?) async throws -> R {
        try await within(soon) {
            for try await event in self.events {
                if let result = wanted(event) { return result }
            }
            throw Missing()
        }
    }

    /// Waits for the next message that comes in.
    public func received() async throws -> Message {
        let message = try await event { if case .received(let message, _) = $0 { message } else { nil } }
        guard let message = try await self.message(message: message) else { throw Missing() }
        return message
    }

    /// Waits until a message has come so far.
    public func reaches(_ message: Int64, _ state: DeliveryState) async throws {
        try await event { $0 == .progress(message: message, state: state) ? () : nil }
    }

    public func carries(_ envelopes: UInt64) async throws -> Bool {
        try await stats().foreignEnvelopes == envelopes
    }
}

/// What was waited for did not come.
public struct Missing: Error {}

/// Waits until something holds that no event tells.
public func until(_ condition: @escaping @Sendable () async throws -> Bool) async throws {
    try await within(soon) {
        while !(try await condition()) { try await Task.sleep(for: .milliseconds(10)) }
    }
}

/// Does what must not take longer.
func within<R: Sendable>(_ limit: Duration, _ work: @escaping @Sendable () async throws -> R) async throws -> R {
    try await withThrowingTaskGroup(of: R.self) { group in
        group.addTask(operation: work)
        group.addTask {
            try await Task.sleep(for: limit)
            throw Missing()
        }
        defer { group.cancelAll() }
        guard let result = try await group.next() else { throw Missing() }
        return result
    }
}

/// Does something while bytes are carried between two ends of a link, which end afterwards, whatever
/// happens: those that carry wait in Rust, where no cancellation finds them.
public func over(
    _ here: ByteLink, _ there: ByteLink,
    carry: @escaping @Sendable (_ from: ByteLink, _ to: ByteLink) async throws -> Void,
    _ work: () async throws -> Void
) async throws {
    try await withThrowingTaskGroup(of: Void.self) { shells in
        shells.addTask { try await carry(here, there) }
        shells.addTask { try await carry(there, here) }
        do {
            defer {
                here.disconnected()
                there.disconnected()
            }
            try await work()
        }
        try await shells.waitForAll()
    }
}

/// What a call is refused with, such as `SendError.Empty`; nil if it is not.
public func refusal<R>(_ call: () async throws -> R) async -> String? {
    do {
        _ = try await call()
        return nil
    } catch {
        return name(of: error)
    }
}

/// An error's type and case, without the fields.
public func name(of error: any Error) -> String {
    String(reflecting: error).prefix { $0 != "(" }.split(separator: ".").suffix(2).joined(separator: ".")
}

extension Message {
    public var text: String? { if case .text(let text) = content { text } else { nil } }
}

extension URL {
    /// What is inside a directory.
    public static func / (directory: URL, name: String) -> URL { directory.appendingPathComponent(name) }
}

/// A keystore that forgets when its process does.
open class MemoryKeystore: Keystore, @unchecked Sendable {
    private let lock = NSLock()
    private var kept: Data?

    public init() {}

    public var secret: Data? {
        get { lock.withLock { kept } }
        set { lock.withLock { kept = newValue } }
    }

    public func load() throws -> Data? { secret }

    open func store(secret: Data) throws { self.secret = secret }
}
