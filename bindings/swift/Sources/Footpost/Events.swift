/// What happens, until the node stops: `for try await event in node.events`.
public struct Events: AsyncSequence, AsyncIteratorProtocol, Sendable {
    let node: Footpost

    public func makeAsyncIterator() -> Events { self }

    public func next() async throws -> Event? { try await node.nextEvent() }
}

extension Footpost {
    /// What happens, until the node stops. Each event goes to one loop: share what one takes, where there
    /// are to be several.
    public var events: Events { Events(node: self) }

    /// The next event; nil once the node has stopped and all were taken.
    ///
    /// Who is cancelled while waiting has lost none.
    ///
    /// - Throws: `CancellationError`, or why the node does not answer.
    public func nextEvent() async throws -> Event? {
        while true {
            try Task.checkCancellation()
            let wait = eventWait()
            let isMore = try await withTaskCancellationHandler {
                try await wait.wait()
            } onCancel: {
                wait.giveUp()
            }
            guard isMore else { return nil }
            try Task.checkCancellation()
            if let event = takeEvent() { return event }
        }
    }
}
