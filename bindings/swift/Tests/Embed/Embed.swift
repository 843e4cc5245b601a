import Footpost

/// What your messenger asks when its server is out of reach.
final class Mesh: Sendable {
    private let node: Footpost

    init(directory: String, keystore: any Keystore) throws {
        node = try Footpost.open(config: Config(directory: directory), vault: .keystore(keystore: keystore))
    }

    func run(show: (_ contact: Int64, _ text: String) -> Void, progress: (Int64, DeliveryState) -> Void) async throws {
        for try await event in node.events {
            switch event {
            case .received(let message, let contact):
                guard case .text(let text)? = try await node.message(message: message)?.content else { break }
                show(contact, text)
            case .progress(let message, let state): progress(message, state)
            default: break
            }
        }
    }

    func send(_ text: String, to name: String, card: String) async throws -> Int64 {
        try await node.sendText(contact: node.addContact(card: card, name: name), text: text)
    }

    func stop() async throws { try await node.shutdown() }
}
