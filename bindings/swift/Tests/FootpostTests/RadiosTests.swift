import Footpost
import FootpostTestNodes
import Foundation
import Testing

extension Behaviours {
    /// Radios that the application drives: Footpost says what to do, and is told what happened.
    @Suite struct Radios {
        @Test func two_nodes_meet_by_bluetooth_that_the_application_drives() async throws {
            try await atHome { home in
                let byGatt = try await meet(home / "gatt", withChannels: false)
                #expect(byGatt.isSuperset(of: ["Write", "Notify"]) && !byGatt.contains("Send"))
                #expect(try await meet(home / "l2cap", withChannels: true).contains("Send"))
                let names = bleService()
                #expect(Set([names.service, names.info, names.inbox, names.outbox]).count == 4)
            }
        }

        /// Says by what bytes went.
        private func meet(_ directory: URL, withChannels: Bool) async throws -> Set<String> {
            let air = Air(withChannels: withChannels)
            try await withThrowingTaskGroup(of: Void.self) { shells in
                try await start(directory / "alice").shutDown { alice in
                    try await start(directory / "bob").shutDown { bob in
                        let bobs = try await alice.meet(bob, "Bob")
                        _ = try await bob.meet(alice, "Alice")
                        for node in [alice, bob] {
                            let ble = try await node.bluetooth(platform: .ios)
                            let number = await air.add(ble)
                            shells.addTask { await air.run(number) }
                        }
                        let sent = try await alice.sendText(contact: bobs, text: "by radio")
                        #expect(try await bob.received().text == "by radio")
                        try await alice.reaches(sent, .delivered)
                    }
                }
                // The loops end with their nodes.
                try await shells.waitForAll()
            }
            // What is told afterwards does no harm.
            await air.phones[0].ble.report(fact: .adapterOff)
            #expect(await air.phones[0].ble.stats().sentBytes > 0)
            return await air.used
        }

        @Test func a_large_file_moves_to_a_wifi_direct_group_that_the_application_forms() async throws {
            try await atHome { home in
                let content = home / "map.png"
                try Data(count: 2 << 20).write(to: content)
                let groups = Groups()
                try await start(home / "alice").shutDown { alice async throws in
                    try await start(home / "bob").shutDown { bob in
                        let bobs = try await alice.meet(bob, "Bob")
                        _ = try await bob.meet(alice, "Alice")
                        let here = try await alice.openLink(role: .initiator, cost: .ble)
                        let there = try await bob.openLink(role: .responder, cost: .ble)
                        let radios = [try await alice.wifiDirect(), try await bob.wifiDirect()]
                        let shells = radios.map { wifi in Task { try await groups.serve(wifi) } }
                        try await over(here, there, carry: carrySlowly) {
                            let sent = try await alice.sendFile(
                                contact: bobs, path: content.path, name: "map.png", contentType: "image/png")
                            try await alice.reaches(sent, .delivered)
                        }
                        #expect(await groups.formed.keys.map { $0.hasPrefix("DIRECT-") } == [true])
                        let refused = await refusal {
                            try await radios[0].report(fact: .groupUp(ownAddress: "nowhere", interface: 1))
                        }
                        #expect(refused == "WifiDirectError.Address")
                        try await bob.shutdown()
                        try await alice.shutdown()
                        for shell in shells { try await shell.value }
                    }
                }
            }
        }

        /// About as fast as GATT is between good phones.
        @Sendable private func carrySlowly(from source: ByteLink, to sink: ByteLink) async throws {
            while let bytes = await source.nextWrite() {
                for start in stride(from: 0, to: bytes.count, by: 500) {
                    try await Task.sleep(for: .milliseconds(10))
                    let piece = bytes[start..<min(start + 500, bytes.count)]
                    do { try await sink.received(bytes: piece) } catch LinkError.Ended { return }
                }
            }
        }
    }
}

/// Shells of Bluetooth LE: they do what they are told, on an air in which all hear each other.
private actor Air {
    struct Phone {
        let ble: Ble
        var scans = false
        var shown: Data??
        var info = Data()
    }

    private(set) var phones: [Phone] = []
    private(set) var used: Set<String> = []
    private let withChannels: Bool
    private let psm: UInt16 = 0x80

    init(withChannels: Bool) { self.withChannels = withChannels }

    func add(_ ble: Ble) -> Int {
        phones.append(Phone(ble: ble))
        return phones.count - 1
    }

    func run(_ number: Int) async {
        let ble = phones[number].ble
        ble.setDuty(duty: .performance)
        ble.report(fact: .adapterOn)
        if withChannels { ble.report(fact: .listening(psm: psm)) }
        while let command = await ble.nextCommand() { await execute(command, by: number) }
    }

    private func execute(_ command: BleCommand, by number: Int) async {
        let ble = phones[number].ble
        let others = phones.indices.filter { $0 != number }
        switch command {
        case .scan:
            phones[number].scans = true
            for other in others { tell(number, of: other) }
        case .stopScan: phones[number].scans = false
        case .advertise(let tag, _):
            phones[number].shown = .some(tag)
            for other in others where phones[other].scans { tell(other, of: number) }
        case .serve(let info): phones[number].info = info
        case .connect(let device):
            both(number, BleConnection(device: device, side: .central)) { .connected(connection: $0, mtu: 23) }
        case .disconnect(let name): both(number, name) { .disconnected(connection: $0) }
        case .exchangeMtu(let name, let mtu): both(number, name) { .mtu(connection: $0, mtu: mtu) }
        case .readInfo(let name):
            ble.report(fact: .info(connection: name, value: phones[Int(name.device)].info))
        case .subscribe(let name): both(number, name) { .subscribed(connection: $0) }
        case .openChannel(let name, let asked):
            #expect(asked == psm)
            both(number, name) { .channelOpen(connection: $0) }
        case .write(let name, let value): bring("Write", number, name) { .received(connection: $0, value: value) }
        case .notify(let name, let value): bring("Notify", number, name) { .received(connection: $0, value: value) }
        case .send(let name, let bytes):
            used.insert("Send")
            let theirs = there(number, name) { .channelReceived(connection: $0, bytes: bytes) }
            await phones[Int(name.device)].ble.readable(connection: theirs)
            ble.report(fact: .writable(connection: name))
        }
    }

    private func tell(_ number: Int, of other: Int) {
        guard let tag = phones[other].shown else { return }
        phones[number].ble.report(fact: .seen(device: UInt64(other), rssi: -50, tag: tag))
    }

    private func bring(_ how: String, _ number: Int, _ name: BleConnection, _ fact: (BleConnection) -> BleFact) {
        used.insert(how)
        there(number, name, fact)
        phones[number].ble.report(fact: .writable(connection: name))
    }

    private func both(_ number: Int, _ name: BleConnection, _ fact: (BleConnection) -> BleFact) {
        phones[number].ble.report(fact: fact(name))
        there(number, name, fact)
    }

    /// What happens at the other end, which has the connection by another name.
    @discardableResult
    private func there(_ number: Int, _ name: BleConnection, _ fact: (BleConnection) -> BleFact) -> BleConnection {
        let theirs = BleConnection(device: UInt64(number), side: name.side == .central ? .peripheral : .central)
        phones[Int(name.device)].ble.report(fact: fact(theirs))
        return theirs
    }
}

/// Shells of Wi-Fi Direct: a group is loopback, which has more addresses than one.
private actor Groups {
    private(set) var formed: [String: String] = [:]

    func serve(_ wifi: WifiDirect) async throws {
        try await wifi.report(fact: .radioOn(station: .free))
        while let command = await wifi.nextCommand() {
            switch command {
            case .createGroup(let name, let passphrase, _):
                formed[name] = passphrase
                try await wifi.report(fact: .groupUp(ownAddress: "127.0.0.1", interface: 1))
            case .joinGroup(let name, let passphrase) where formed[name] == passphrase:
                try await wifi.report(fact: .groupUp(ownAddress: "127.0.0.2", interface: 1))
            case .joinGroup, .removeGroup: try await wifi.report(fact: .groupDown)
            }
        }
    }
}
