import Footpost
import FootpostTestNodes
import Foundation
import Testing

extension Behaviours {
    /// What is said.
    @Suite struct Messages {
        @Test func application_bytes_arrive_with_their_content_type() async throws {
            try await atHome { home in
                try await pair(home) { it in
                    let (type, reading) = ("application/octet-stream", Data(0...255))
                    let sent = try await it.alice.sendBytes(
                        contact: it.bobs, contentType: type, bytes: reading, priority: .low)
                    #expect(try await it.bob.received().content == .application(contentType: type, bytes: reading))
                    try await it.alice.reaches(sent, .delivered)
                }
            }
        }

        @Test func messages_come_page_by_page_and_are_found_by_their_words() async throws {
            try await atHome { home in
                try await pair(home) { it in
                    let said = (0..<25).map { "message \($0)" } + ["Über die BRÜCKE"]
                    for words in said { _ = try await it.alice.sendText(contact: it.bobs, text: words) }
                    var (read, pages, before) = ([String?](), [Int](), Int64?.none)
                    while true {
                        let page = try await it.alice.messages(contact: it.bobs, before: before, limit: 10)
                        guard let first = page.first else { break }
                        before = first.id
                        pages.append(page.count)
                        read = page.map(\.text) + read
                    }
                    #expect(pages == [10, 10, 6] && read == said)
                    let found = try await it.alice.search(words: "über die brücke")
                    #expect(found.messages.map(\.text) == ["Über die BRÜCKE"])
                    #expect(found.before == nil)
                }
            }
        }

        @Test func conversations_show_the_newest_message_and_what_is_unseen() async throws {
            try await atHome { home in
                try await pair(home) { it in
                    #expect(try await it.bob.conversations() == [])
                    var last: Int64 = 0
                    for words in ["one", "two"] {
                        _ = try await it.alice.sendText(contact: it.bobs, text: words)
                        last = try await it.bob.received().id
                    }
                    let shown = try await it.bob.conversations()
                    #expect(shown.map(\.contact) == [it.alices] && shown.map(\.last.text) == ["two"])
                    #expect(shown.map(\.unseen) == [2])
                    try await it.bob.markSeen(message: last)
                    let seen = try await it.bob.conversations()
                    #expect(seen.map(\.last.state) == [.seen] && seen.map(\.unseen) == [1])
                }
            }
        }

        @Test func a_writer_learns_that_a_message_was_read_if_its_reader_wants_that() async throws {
            try await atHome { home in
                try await pair(home) { it in
                    try await it.bob.setReadReceipts(on: true)
                    let sent = try await it.alice.sendText(contact: it.bobs, text: "did you see?")
                    try await it.bob.markSeen(message: try await it.bob.received().id)
                    try await it.alice.reaches(sent, .read)
                }
            }
        }

        @Test func a_file_travels_with_its_progress_and_is_saved_whole() async throws {
            try await atHome { home in
                try await pair(home) { it in
                    let (path, copy) = (home / "map", home / "copy")
                    let content = Data((0..<251_000).map { UInt8($0 % 251) })
                    try content.write(to: path)
                    let sent = try await it.alice.sendFile(
                        contact: it.bobs, path: path.path, name: "map.png", contentType: "image/png")
                    let message = try await it.bob.received()
                    let file = Content.file(name: "map.png", contentType: "image/png", sizeBytes: 251_000)
                    #expect(message.content == file)
                    if message.transfer?.isWhole == false {
                        try await it.bob.event { $0 == .attachmentWhole(message: message.id) ? () : nil }
                    }
                    try await it.bob.saveFile(message: message.id, path: copy.path)
                    #expect(try Data(contentsOf: copy) == content)
                    try await it.alice.reaches(sent, .delivered)
                    #expect(try await it.alice.message(message: sent)?.transfer?.isWhole == true)
                    let again = await refusal { try await it.bob.saveFile(message: message.id, path: copy.path) }
                    #expect(again == "AttachmentError.Unwritable")
                    await #expect(throws: AttachmentError.Outgoing) {
                        try await it.alice.saveFile(message: sent, path: (home / "own").path)
                    }
                }
            }
        }

        @Test func a_bulletin_reaches_everybody_and_a_followed_publisher_is_announced() async throws {
            try await atHome { home in
                try await pair(home) { it in
                    let publisher = try await it.alice.address()
                    try await it.bob.follow(publisher: publisher)
                    let number = try await it.alice.publish(
                        draft: BulletinDraft(
                            text: "boil the water", kind: .alert, lifetimeS: 86400, region: "u33d"))
                    try await it.bob.event {
                        $0 == .bulletin(publisher: publisher, number: number) ? () : nil
                    }
                    let shown = try await it.bob.bulletins(filter: BulletinFilter(region: "u33"))
                    #expect(shown.map(\.text) == ["boil the water"] && shown.map(\.kind) == [.alert])
                    #expect(try await it.bob.bulletins(filter: BulletinFilter(topic: "roads")) == [])
                    let publishers = try await it.bob.publishers()
                    #expect(publishers == [Publisher(address: publisher, stance: .followed)])
                    try await it.bob.mute(publisher: publisher)
                    #expect(try await it.bob.bulletins(filter: BulletinFilter()) == [])
                    try await it.bob.unfollow(publisher: publisher)
                    #expect(try await it.bob.publishers() == [])
                    await #expect(throws: BulletinError.UnknownPublisher) {
                        try await it.bob.follow(publisher: "nobody")
                    }
                }
            }
        }
    }
}
