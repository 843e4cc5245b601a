import Footpost
import FootpostTestNodes
import Foundation
import Testing

extension Behaviours {
    /// What must never bring the host application down.
    @Suite struct BadInput {
        @Test func calls_after_shutdown_are_refused_and_a_second_shutdown_does_nothing() async throws {
            try await atHome { home in
                try await pair(home) { it in
                    try await it.alice.shutdown()
                    try await it.alice.shutdown()
                    await #expect(throws: NodeError.Closed) { try await it.alice.card() }
                    await #expect(throws: SendError.Node(reason: .Closed)) {
                        try await it.alice.sendText(contact: it.bobs, text: "too late")
                    }
                    it.bob.halt()
                    it.bob.halt()
                    await #expect(throws: NodeError.Closed) { try await it.bob.card() }
                }
            }
        }

        @Test func calls_come_from_any_thread() async throws {
            try await atHome { home in
                try await pair(home) { it in
                    let (ends, end) = AsyncThrowingStream.makeStream(of: Void.self)
                    for n in 0..<16 {
                        Thread.detachNewThread {
                            Task {
                                do {
                                    _ = try await it.alice.sendText(contact: it.bobs, text: "thread \(n)")
                                    end.yield()
                                } catch {
                                    end.finish(throwing: error)
                                }
                            }
                            // What waits for nothing is called on this very thread.
                            _ = it.alice.listenAddress()
                        }
                    }
                    var ended = 0
                    for try await _ in ends {
                        ended += 1
                        if ended == 16 { break }
                    }
                    let sent = try await it.alice.messages(contact: it.bobs).compactMap(\.text)
                    #expect(Set(sent) == Set((0..<16).map { "thread \($0)" }) && sent.count == 16)
                }
            }
        }

        @Test func a_cancelled_call_is_carried_out_all_the_same() async throws {
            try await atHome { home in
                try await pair(home) { it in
                    let sending = Task { try await it.alice.sendText(contact: it.bobs, text: "sent") }
                    sending.cancel()
                    let sent = try await sending.value
                    #expect(try await it.alice.messages().map(\.id) == [sent])
                }
            }
        }

        /// A keystore that throws what nobody expects.
        private final class Broken: Keystore {
            struct Locked: Error, CustomStringConvertible { let description = "the phone is locked" }

            func load() throws -> Data? { throw Locked() }

            func store(secret: Data) throws { throw Locked() }
        }

        @Test func a_keystore_that_throws_is_an_error_of_opening() async throws {
            try await atHome { home in
                let broken = Vault.keystore(keystore: Broken())
                do {
                    _ = try Footpost.open(config: config(home), vault: broken)
                    Issue.record("opened")
                } catch OpenError.Keystore(let details) {
                    #expect(details.contains("the phone is locked"))
                }
                let whole = Vault.keystore(keystore: MemoryKeystore())
                try await Footpost.open(config: config(home), vault: whole).shutDown { _ in }
                let refused = await refusal { try Footpost.open(config: config(home), vault: broken) }
                #expect(refused == "OpenError.Keystore")
                try await Footpost.open(config: config(home), vault: whole).shutDown { _ in }
            }
        }

        /// A keystore that opens what waits for it. What suspends runs on other threads in Swift.
        private final class Curious: MemoryKeystore, @unchecked Sendable {
            let home: URL
            private(set) var errors: [String] = []

            init(_ home: URL) { self.home = home }

            override func store(secret: Data) throws {
                do { _ = try start(home) } catch { errors.append(name(of: error)) }
                let settings = config(home)
                do {
                    _ = try Footpost.restore(config: settings, vault: .open, recoveryWords: "", path: "")
                } catch {
                    errors.append("\(error)")
                }
                try super.store(secret: secret)
            }
        }

        @Test func a_keystore_cannot_call_footpost() async throws {
            try await atHome { home in
                let keystore = Curious(home / "third")
                let node = try Footpost.open(config: config(home / "node"), vault: .keystore(keystore: keystore))
                try await node.shutDown { _ in }
                #expect(keystore.errors.count >= 2)
                #expect(keystore.errors.allSatisfy { $0.contains("InCallback") })
            }
        }

        @Test func a_store_in_use_by_another_process_is_refused() async throws {
            try await atHome { home in
                let other = try TestProcess("hold", home.path)
                #expect(other.readLine() == "open")
                #expect(throws: OpenError.InUse) { try start(home) }
                other.kill()
                try await start(home).shutDown { _ in
                    #expect(throws: OpenError.InUse) { try start(home) }
                }
            }
        }

        @Test func a_wrong_key_is_refused() async throws {
            try await atHome { home in
                let keystores = ["a": MemoryKeystore(), "b": MemoryKeystore()]
                for (name, keystore) in keystores {
                    let vault = Vault.keystore(keystore: keystore)
                    try await Footpost.open(config: config(home / name), vault: vault).shutDown { _ in }
                }
                let (first, second) = (try #require(keystores["a"]), try #require(keystores["b"]))
                let settings = config(home / "a")
                #expect(throws: OpenError.WrongKey) {
                    try Footpost.open(config: settings, vault: .keystore(keystore: second))
                }
                second.secret = Data("short".utf8)
                let short = await refusal { try Footpost.open(config: settings, vault: .keystore(keystore: second)) }
                #expect(short == "OpenError.Damaged")
                try Data(repeating: 7, count: 15_000).write(to: home / "a" / "footpost.db")
                #expect(throws: OpenError.self) {
                    try Footpost.open(config: settings, vault: .keystore(keystore: first))
                }
            }
        }

        @Test func a_process_may_die_between_any_two_calls() async throws {
            try await atHome { home in
                let card = try await start(home / "bob").shutDown { try await $0.card() }
                for deadline in 0...9 {
                    let directory = home / "\(deadline)"
                    let died = try TestProcess("die", directory.path, card, "\(deadline)")
                    let done = died.readLines()
                    #expect(died.status() == (deadline < 9 ? 9 : 0))
                    #expect(done == min(deadline + 1, 9))
                    try await start(directory).shutDown { node async throws in
                        #expect(try await node.name() == (done >= 2 ? "Ada" : nil))
                        #expect(try await node.contacts().count == (done >= 3 ? 1 : 0))
                        #expect(try await node.messages().count == min(max(done - 3, 0), 3))
                    }
                }
            }
        }

        @Test func a_process_may_end_without_a_word() async throws {
            try await atHome { home in
                for _ in 0..<3 {
                    let ended = try TestProcess("end", home.path).status()
                    #expect(ended == 0)
                }
            }
        }

        @Test func strings_that_are_empty_huge_or_no_unicode_are_refused() async throws {
            try await atHome { home in
                try await pair(home) { it in
                    let alice = it.alice
                    let huge = String(repeating: "a", count: 1_000_000)
                    let card = try await it.bob.card()
                    for bad in ["", huge, "footpost:", "footpost:" + huge, String(card.dropLast()), "\0"] {
                        let added = await refusal { try await alice.addContact(card: bad, name: "Bob") }
                        let read = await refusal { try readCard(card: bad) }
                        #expect(added == "ContactError.Card" && read == "ContactError.Card")
                        await #expect(throws: DialError.Address) { try await alice.dial(address: bad) }
                        let revoked = await refusal { try await alice.revokeIdentity(recoveryWords: bad) }
                        #expect(revoked == "IdentityError.Misread")
                    }
                    for bad in ["", huge, "a\nb"] {
                        await #expect(throws: ContactError.Name) {
                            try await alice.renameContact(contact: it.bobs, name: bad)
                        }
                    }
                    await #expect(throws: SendError.Empty) { try await alice.sendText(contact: it.bobs, text: "") }
                    do {
                        _ = try await alice.sendText(contact: it.bobs, text: huge)
                        Issue.record("sent")
                    } catch SendError.TooLong(let excessBytes) {
                        #expect((1..<UInt64(huge.count)).contains(excessBytes))
                    }
                    for bad in ["", huge] {
                        let bytes = await refusal {
                            try await alice.sendBytes(contact: it.bobs, contentType: bad, bytes: Data())
                        }
                        #expect(bytes == "SendError.ContentType")
                        await #expect(throws: SendError.self) {
                            try await alice.sendFile(
                                contact: it.bobs, path: home.path, name: bad, contentType: "a/b")
                        }
                        #expect(throws: OpenError.self) {
                            try Footpost.open(config: Config(directory: bad, lan: false), vault: .open)
                        }
                    }
                    #expect(try await alice.search(words: huge).messages == [])
                    let nowhere = config(home / "c", listen: "nowhere")
                    let listened = await refusal { try Footpost.open(config: nowhere, vault: .open) }
                    #expect(listened == "OpenError.Config")
                    _ = try await alice.sendBytes(contact: it.bobs, contentType: "a/b", bytes: Data())
                    let content = try await alice.messages().last?.content
                    #expect(content == .application(contentType: "a/b", bytes: Data()))
                    // Swift has no string that is no Unicode: it mends what is made into one.
                    let mended = String(decoding: [0x61, 0xD800] as [UInt16], as: UTF16.self)
                    _ = try await alice.sendText(contact: it.bobs, text: mended)
                    #expect(try await alice.messages().last?.text == "a\u{FFFD}")
                }
            }
        }

        @Test func numbers_of_nothing_are_refused() async throws {
            try await atHome { home in
                try await start(home).shutDown { node async throws in
                    for number in [0, -1, Int64.max, Int64.min] {
                        await #expect(throws: SendError.UnknownContact) {
                            try await node.sendText(contact: number, text: "hello")
                        }
                        await #expect(throws: ContactError.Unknown) {
                            try await node.removeContact(contact: number)
                        }
                        #expect(try await node.message(message: number) == nil)
                        #expect(try await node.messages(contact: number) == [])
                        try await node.markSeen(message: number)
                    }
                    #expect(try await node.messages(limit: 0) == [])
                }
            }
        }
    }
}

/// A process of its own, of the package's `FootpostTestProcess`, which lies beside the tests.
private struct TestProcess {
    private let process = Process()
    private let output = Pipe()

    init(_ arguments: String...) throws {
        let tests = URL(fileURLWithPath: CommandLine.arguments[0]).resolvingSymlinksInPath()
        process.executableURL = tests.deletingLastPathComponent() / "FootpostTestProcess"
        process.arguments = arguments
        process.standardInput = Pipe()
        process.standardOutput = output
        try process.run()
    }

    func readLine() -> String {
        var line = Data()
        while let byte = try? output.fileHandleForReading.read(upToCount: 1), byte != Data("\n".utf8) {
            line += byte
        }
        return String(decoding: line, as: UTF8.self)
    }

    /// How many lines it writes in its life.
    func readLines() -> Int {
        output.fileHandleForReading.readDataToEndOfFile().filter { $0 == UInt8(ascii: "\n") }.count
    }

    func kill() {
        _ = Foundation.kill(process.processIdentifier, SIGKILL)
        process.waitUntilExit()
    }

    func status() -> Int32 {
        process.waitUntilExit()
        return process.terminationStatus
    }
}
