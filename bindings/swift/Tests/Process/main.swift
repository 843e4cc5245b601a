// What tests do in a process of its own: FootpostTestProcess WHAT ARGUMENTS

import Footpost
import FootpostTestNodes
import Foundation

/// Says so at once: the process may die without a word.
func tell(_ what: String) {
    FileHandle.standardOutput.write(Data((what + "\n").utf8))
}

/// Does one thing after the other, and dies without a word after so many.
func live(_ home: URL, card: String, deadline: Int) async throws {
    var calls = 0
    func done() {
        tell("done")
        if calls == deadline { _exit(9) }
        calls += 1
    }
    let node = try start(home)
    done()
    try await node.setName(name: "Ada")
    done()
    let bob = try await node.addContact(card: card, name: "Bob")
    done()
    for n in 0..<3 {
        _ = try await node.sendText(contact: bob, text: "message \(n)")
        done()
    }
    _ = try await node.createWords()
    done()
    try await node.setPowerMode(mode: .leaving)
    done()
    try await node.shutdown()
    done()
}

let arguments = CommandLine.arguments
let home = URL(fileURLWithPath: arguments[2])
switch arguments[1] {
case "hold":
    let node = try start(home)
    tell("open")
    _ = readLine()
    withExtendedLifetime(node) {}
case "die":
    try await live(home, card: arguments[3], deadline: Int(arguments[4])!)
case "end":
    let node = try start(home)
    for _ in 0..<20 { _ = try await node.stats() }
default:
    exit(2)
}
exit(0)
