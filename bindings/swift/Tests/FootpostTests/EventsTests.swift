import Footpost
import FootpostTestHeap
import FootpostTestNodes
import Foundation
import Testing

extension Behaviours {
    /// What happens comes as events, to whoever pulls them.
    @Suite struct Events {
        @Test func a_cancelled_wait_loses_no_event() async throws {
            try await atHome { home in
                try await pair(home) { it in
                    let wanted = 300
                    try await it.bob.shutdown()
                    async let sending: Void = {
                        for _ in 0..<wanted { _ = try await it.alice.sendText(contact: it.bobs, text: "x") }
                    }()
                    var (seen, cancelled) = ([Int64](), 0)
                    while seen.count < wanted {
                        let waiting = Task { try await it.alice.nextEvent() }
                        // Cancelled before, while and after the event comes.
                        if seen.count % 4 > 0 { try await Task.sleep(for: .milliseconds(seen.count % 4)) }
                        waiting.cancel()
                        switch await waiting.result {
                        case .success(.progress(let message, _)?): seen.append(message)
                        case .success: break
                        case .failure(let error):
                            #expect(error is CancellationError)
                            cancelled += 1
                            // Else whether one is ever got would hang on which thread is faster.
                            if case .progress(let message, _)? = it.alice.takeEvent() { seen.append(message) }
                        }
                    }
                    try await sending
                    #expect(cancelled > 0 && seen == Array(Set(seen)).sorted())
                }
            }
        }

        @Test func ten_thousand_events_pass_without_a_leak() async throws {
            try await atHome { home in
                try await pair(home) { it in
                    try await it.bob.shutdown()
                    try await thousands(it, 1000)
                    let before = heap_bytes()
                    try await thousands(it, 10_000)
                    let growth = Int(heap_bytes()) - Int(before)
                    // Swift and Rust have one heap: with what the engine knows of 10,000 messages.
                    #expect(growth < 1_000_000)
                }
            }
        }

        /// So many messages are sent, and their events taken.
        private func thousands(_ it: Pair, _ count: Int) async throws {
            for _ in 0..<count / 100 {
                try await withThrowingTaskGroup(of: Int64.self) { group in
                    for _ in 0..<100 {
                        group.addTask { try await it.alice.sendText(contact: it.bobs, text: "x") }
                    }
                    try await group.waitForAll()
                }
                var taken = 0
                while taken < 100 {
                    if case .progress = try await it.alice.nextEvent() { taken += 1 }
                }
            }
        }

        @Test func events_end_when_the_node_stops() async throws {
            try await atHome { home in
                let node = try start(home)
                let collected = Task { for try await _ in node.events {} }
                try await Task.sleep(for: .milliseconds(10))
                try await node.shutdown()
                try await collected.value
                #expect(try await node.nextEvent() == nil)
                #expect(node.takeEvent() == nil)
            }
        }
    }
}
