import Footpost
import FootpostTestNodes
import Foundation
import Testing

extension Behaviours {
    /// A node's life on a phone.
    @Suite struct Node {
        @Test func what_was_accepted_is_there_after_a_restart() async throws {
            try await atHome { home in
                var (sent, address) = (Int64(0), "")
                try await pair(home) { it in
                    try await it.bob.shutdown()
                    sent = try await it.alice.sendText(contact: it.bobs, text: "still here?")
                    address = try await it.alice.address()
                }
                try await start(home / "alice").shutDown { alice async throws in
                    #expect(try await alice.address() == address)
                    #expect(try await alice.message(message: sent)?.text == "still here?")
                    #expect(try await alice.contacts().map(\.name) == ["Bob"])
                }
            }
        }

        @Test func a_backup_is_restored_with_the_words() async throws {
            try await atHome { home in
                let backup = (home / "backup").path
                var (words, address) = ("", "")
                try await pair(home) { it in
                    words = try await it.alice.createWords().joined(separator: " ")
                    _ = try await it.alice.sendText(contact: it.bobs, text: "remember")
                    try await it.alice.backUp(recoveryWords: words, path: backup)
                    address = try await it.alice.address()
                }
                let other = config(home / "restored")
                let wrong = (Array(repeating: "abandon", count: 23) + ["art"]).joined(separator: " ")
                #expect(throws: BackupError.WrongWords) {
                    try Footpost.restore(config: other, vault: .open, recoveryWords: wrong, path: backup)
                }
                let restored = try Footpost.restore(
                    config: other, vault: .open, recoveryWords: words, path: backup)
                try await restored.shutDown { node async throws in
                    #expect(try await node.address() == address)
                    #expect(try await node.messages().map(\.text) == ["remember"])
                    #expect(try await !node.isSuperseded())
                }
                #expect(throws: BackupError.InUse) {
                    try Footpost.restore(config: other, vault: .open, recoveryWords: words, path: backup)
                }
            }
        }

        @Test func a_node_that_leaves_hands_over_what_it_carries() async throws {
            try await atHome { home in
                try await start(home / "alice").shutDown { alice async throws in
                    let bobs = try await start(home / "bob").shutDown { try await alice.meet($0, "Bob") }
                    _ = try await alice.sendText(contact: bobs, text: "by and by")
                    let carrier = try start(home / "carrier", alice.listenAddress())
                    try await until { try await carrier.carries(1) }
                    try await alice.shutdown()
                    try await carrier.setPowerMode(mode: .leaving)
                    try await start(home / "other", carrier.listenAddress()).shutDown { other in
                        try await carrier.shutDown { carrier async throws in
                            try await until { try await other.carries(1) }
                            try await until { try await carrier.carries(0) }
                            #expect(try await carrier.stats().handedOver == 1)
                        }
                    }
                }
            }
        }

        @Test func quotas_and_conditions_may_change_at_any_time() async throws {
            try await atHome { home in
                let settings = config(home, maxCarriedBytes: 1_000_000)
                try await Footpost.open(config: settings, vault: .open).shutDown { node async throws in
                    #expect(try await node.stats().maxForeignBytes == 1_000_000)
                    try await node.setMaxCarriedBytes(bytes: 0)
                    #expect(try await node.stats().maxForeignBytes == 0)
                    try await node.setConditions(
                        conditions: Conditions(metered: true, roaming: true, batteryPercent: 50))
                    try await node.setPowerMode(mode: .saving)
                    try await node.setPowerMode(mode: .full)
                }
            }
        }

        @Test func a_background_tick_brings_what_waits_and_keeps_its_budget() async throws {
            try await atHome { home in
                try await start(home / "alice").shutDown { alice async throws in
                    try await start(home / "bob").shutDown { bob in
                        let bobs = try await alice.meet(bob, "Bob")
                        _ = try await bob.meet(alice, "Alice")
                        for n in 0..<20 { _ = try await alice.sendText(contact: bobs, text: "message \(n)") }
                        try await bob.dial(address: alice.listenAddress())
                        let done = try await bob.backgroundTick(budgetMs: 60_000)
                        #expect(done.isDone && done.taken == 20)
                        #expect(try await bob.messages().count == 20)
                        let none = try await bob.backgroundTick(budgetMs: 0)
                        #expect(!none.isDone && none.taken == 0)
                    }
                }
            }
        }

        @Test func two_nodes_talk_over_a_stream_that_the_application_carries() async throws {
            try await atHome { home in
                try await start(home / "alice").shutDown { alice async throws in
                    try await start(home / "bob").shutDown { bob in
                        let bobs = try await alice.meet(bob, "Bob")
                        _ = try await bob.meet(alice, "Alice")
                        let here = try await alice.openLink(role: .initiator, cost: .ble)
                        let there = try await bob.openLink(role: .responder, cost: .ble)
                        try await over(here, there, carry: pump) {
                            let sent = try await alice.sendText(contact: bobs, text: "by radio")
                            try await alice.reaches(sent, .delivered)
                            #expect(try await bob.received().text == "by radio")
                            #expect(try await alice.neighbours().map(\.contact) == [bobs])
                        }
                        await #expect(throws: LinkError.Ended) {
                            try await here.received(bytes: Data("more".utf8))
                        }
                    }
                }
            }
        }

        /// A shell: what is to be written on one side comes in on the other, in pieces.
        @Sendable private func pump(from source: ByteLink, to sink: ByteLink) async throws {
            while let bytes = await source.nextWrite() {
                for start in stride(from: 0, to: bytes.count, by: 100) {
                    let piece = bytes[start..<min(start + 100, bytes.count)]
                    do { try await sink.received(bytes: piece) } catch LinkError.Ended { return }
                }
            }
        }

        @Test func a_store_opens_with_its_passphrase_alone() async throws {
            try await atHome { home in
                let vault = Vault.passphrase(passphrase: "correct horse")
                let address = try await Footpost.open(config: config(home), vault: vault).shutDown {
                    try await $0.address()
                }
                #expect(throws: OpenError.WrongPassphrase) {
                    try Footpost.open(config: config(home), vault: .passphrase(passphrase: "battery"))
                }
                #expect(throws: OpenError.Locked) { try start(home) }
                try await Footpost.open(config: config(home), vault: vault).shutDown { node async throws in
                    #expect(try await node.address() == address)
                }
                #expect(throws: OpenError.WrongPassphrase) {
                    try changePassphrase(directory: home.path, old: "battery", new: nil)
                }
                try changePassphrase(directory: home.path, old: "correct horse", new: "battery")
                #expect(throws: OpenError.WrongPassphrase) {
                    try Footpost.open(config: config(home), vault: vault)
                }
                try changePassphrase(directory: home.path, old: "battery", new: nil)
                try await start(home).shutDown { node async throws in
                    #expect(try await node.address() == address)
                }
            }
        }

        @Test func a_keystore_keeps_the_key() async throws {
            try await atHome { home in
                let keystore = MemoryKeystore()
                let vault = Vault.keystore(keystore: keystore)
                let address = try await Footpost.open(config: config(home), vault: vault).shutDown {
                    try await $0.address()
                }
                #expect(try #require(keystore.secret).count > 32)
                #expect(!FileManager.default.fileExists(atPath: (home / "vault").path))
                try await Footpost.open(config: config(home), vault: vault).shutDown { node async throws in
                    #expect(try await node.address() == address)
                }
                #expect(throws: OpenError.KeyMissing) {
                    try Footpost.open(config: config(home), vault: .keystore(keystore: MemoryKeystore()))
                }
            }
        }
    }
}
