import Footpost
import FootpostTestNodes
import Testing

extension Behaviours {
    /// Oneself and others.
    @Suite struct People {
        @Test func a_new_node_has_an_address_and_a_card_that_others_can_read() async throws {
            try await atHome { home in
                try await start(home).shutDown { node async throws in
                    try await node.setName(name: "Ada")
                    let owner = try readCard(card: try await node.card())
                    #expect(try await node.address() == owner.address && owner.address.count == 56)
                    #expect(try await node.name() == "Ada" && owner.name == "Ada")
                }
            }
        }

        @Test func a_card_is_drawn_as_a_qr_code() async throws {
            try await atHome { home in
                try await start(home).shutDown { node async throws in
                    let picture = try await node.cardQr(modulePixels: 2)
                    let side = Int(picture.side)
                    let dark = picture.bytes.map { $0 == 0 }
                    #expect(dark.count == side * side)
                    #expect(!dark[..<side].contains(true))
                    // The corner of a finder: seven dark modules, and one that is light.
                    let corner = dark[(8 * side + 8)..<(8 * side + 8 + 16)]
                    #expect(Array(corner) == Array(repeating: true, count: 14) + [false, false])
                    #expect(try await node.cardQr(modulePixels: 1).side < picture.side)
                }
            }
        }

        @Test func a_stranger_asks_first_and_is_accepted_or_blocked() async throws {
            try await atHome { home in
                try await start(home / "alice").shutDown { alice async throws in
                    try await start(home / "bob", alice.listenAddress()).shutDown { bob in
                        let bobs = try await alice.meet(bob, "Bob")
                        _ = try await alice.sendText(contact: bobs, text: "it is me")
                        let stranger = try await bob.event {
                            if case .requested(let contact) = $0 { contact } else { nil }
                        }
                        #expect(try await bob.contact(contact: stranger).relation == .request)
                        await #expect(throws: SendError.NotAccepted) {
                            try await bob.sendText(contact: stranger, text: "who?")
                        }
                        try await bob.acceptRequest(contact: stranger)
                        _ = try await bob.sendText(contact: stranger, text: "come in")
                        #expect(try await alice.received().text == "come in")
                        await #expect(throws: ContactError.NoRequest) {
                            try await bob.declineRequest(contact: stranger)
                        }
                        try await bob.blockContact(contact: stranger)
                        #expect(try await bob.contact(contact: stranger).relation == .blocked)
                    }
                }
            }
        }

        @Test func a_contact_is_renamed_muted_verified_and_removed() async throws {
            try await atHome { home in
                try await pair(home) { it in
                    let alice = it.alice
                    let number = try await alice.safetyNumber(contact: it.bobs)
                    #expect(try await it.bob.safetyNumber(contact: it.alices) == number)
                    try await alice.renameContact(contact: it.bobs, name: "Robert")
                    try await alice.muteContact(contact: it.bobs, muted: true)
                    try await alice.verifyContact(contact: it.bobs)
                    let contact = try await alice.contact(contact: it.bobs)
                    #expect(contact.name == "Robert" && contact.muted && contact.verified)
                    try await alice.removeContact(contact: it.bobs)
                    #expect(try await alice.contacts() == [])
                    await #expect(throws: ContactError.Unknown) { try await alice.contact(contact: it.bobs) }
                    #expect(ContactError.Unknown.localizedDescription == "there is no such contact")
                }
            }
        }

        @Test func an_identity_is_rotated_revoked_and_ended_with_the_words() async throws {
            try await atHome { home in
                try await start(home / "alice").shutDown { alice async throws in
                    let first = try await alice.createWords().joined(separator: " ")
                    await #expect(throws: IdentityError.WordsExist) { try await alice.createWords() }
                    let words = try await alice.replaceWords(old: first).joined(separator: " ")
                    try await start(home / "bob", alice.listenAddress()).shutDown { bob in
                        let bobs = try await alice.meet(bob, "Bob")
                        let alices = try await bob.meet(alice, "Alice")
                        try await bob.verifyContact(contact: alices)
                        let follows: @Sendable () async throws -> Bool = {
                            try await bob.contact(contact: alices).address == alice.address()
                        }
                        let old = try await alice.address()
                        try await alice.rotateIdentity(recoveryWords: words)
                        #expect(try await alice.address() != old)
                        try await until(follows)
                        let contact = try await bob.contact(contact: alices)
                        #expect(contact.verified && contact.warning == nil)
                        await #expect(throws: IdentityError.WrongWords) {
                            try await alice.revokeIdentity(recoveryWords: first)
                        }
                        try await alice.revokeIdentity(recoveryWords: words)
                        try await until(follows)
                        try await alice.endIdentity(recoveryWords: words)
                        #expect(try await alice.hasEnded())
                        await #expect(throws: SendError.Ended) {
                            try await alice.sendText(contact: bobs, text: "too late")
                        }
                        try await bob.event { $0 == .keyWarning(contact: alices, warning: .revoked) ? () : nil }
                    }
                }
            }
        }
    }
}
