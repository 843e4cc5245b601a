import Footpost
import FootpostTestNodes
import Testing

extension Behaviours {
    /// The demo's journey: a message travels from Alice to a carrier, and from the carrier to Bob.
    @Suite struct Journey {
        @Test func a_stranger_carries_a_message_and_the_writer_learns_that_it_arrived() async throws {
            try await atHome { home in
                let alice = try start(home / "alice")
                let bob = try start(home / "bob")
                let bobs = try await alice.meet(bob, "Bob")
                let alices = try await bob.meet(alice, "Alice")
                let sent = try await alice.sendText(contact: bobs, text: "The bridge is out.")
                #expect(try await alice.message(message: sent)?.state == .queued)
                try await bob.shutdown()

                try await start(home / "carrier", alice.listenAddress()).shutDown { carrier async throws in
                    try await alice.reaches(sent, .carried)
                    try await until { try await carrier.carries(1) }
                    try await alice.shutdown()

                    try await start(home / "bob", carrier.listenAddress()).shutDown { bob in
                        let message = try await bob.received()
                        #expect(message.text == "The bridge is out." && message.contact == alices)
                        try await until { try await carrier.carries(0) }
                    }
                    try await start(home / "alice", carrier.listenAddress()).shutDown { alice async throws in
                        try await alice.reaches(sent, .delivered)
                        let delivered = try #require(try await alice.message(message: sent))
                        #expect(delivered.carriers == 1 && delivered.deliveredMs != nil)
                    }
                }
            }
        }
    }
}
