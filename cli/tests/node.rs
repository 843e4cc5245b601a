//! Commands with a running node and without one, and the ends of nodes.

mod common;

use common::{Person, mode, until};
use serde_json::Value;
use std::{
    io::{BufRead, BufReader, Write},
    os::unix::net::UnixStream,
    process::Stdio,
};

#[test]
fn commands_say_the_same_with_and_without_a_running_node() {
    let (alice, bob) = (Person::new("Alice"), Person::new("Bob"));
    alice.befriend(&bob);
    alice.fact(&["send", "Bob", "hello", "--priority", "urgent"]);
    let commands: [&[&str]; 6] = [
        &["id"],
        &["contact", "list"],
        &["contact", "verify", "Bob", "--show"],
        &["inbox", "--all"],
        &["carried"],
        &["status"],
    ];
    let ask = || commands.map(|command| alice.facts(command));
    let mut before = ask();
    let node = alice.run(None);
    let mut during = ask();
    assert_eq!(node.signal("TERM"), Some(0));
    let after = ask();
    assert_eq!(before, after);
    for (status, running) in [(&mut before, false), (&mut during, true)] {
        let status = status[5][0].as_object_mut().unwrap();
        assert_eq!(status.remove("running"), Some(running.into()));
        assert_eq!(status.remove("listen").unwrap().is_string(), running);
    }
    assert_eq!(before, during);
    assert_eq!(before[5][0]["messages"][0]["state"], "queued");
}

#[test]
fn what_commands_tell_a_running_node_reaches_its_neighbour() {
    let (alice, bob) = (Person::new("Alice"), Person::new("Bob"));
    alice.befriend(&bob);
    let alices = alice.run(None);
    let _bobs = bob.run(Some(&alices));
    let id = alice.fact(&["send", "Bob", "hello"])["id"].clone();
    until("the message is delivered", || {
        let status = alice.fact(&["status"]);
        let message = &status["messages"][0];
        message["id"] == id && message["state"] == "delivered"
    });
    let neighbour = alice.fact(&["status"])["neighbours"][0].clone();
    assert_eq!((&neighbour["contact"], &neighbour["cost"]), (&"Bob".into(), &"lan".into()));
    // Seen once, unless kept.
    for (args, count) in [(&["inbox", "--keep"][..], 1), (&["inbox"], 1), (&["inbox"], 0)] {
        assert_eq!(bob.facts(args).len(), count);
    }
    let all = bob.facts(&["inbox", "--all"]);
    assert_eq!((&all[0]["text"], &all[0]["state"]), (&"hello".into(), &"seen".into()));
}

#[test]
fn a_conversation_of_many_long_messages_comes_in_pages() {
    let (alice, bob) = (Person::new("Alice"), Person::new("Bob"));
    alice.befriend(&bob);
    let _node = alice.run(None);
    // Characters that JSON must escape six-fold.
    let text = "\u{1}".repeat(60_000);
    for _ in 0..6 {
        let sent = alice.with_stdin(&["send", "Bob"], text.as_bytes());
        assert!(sent.status.success(), "{}", String::from_utf8_lossy(&sent.stderr));
    }
    let status = alice.fact(&["status", "--all"]);
    let messages = status["messages"].as_array().unwrap();
    assert_eq!(messages.len(), 6);
    assert!(messages.iter().all(|message| message["text"] == *text));
    assert!(messages.windows(2).all(|pair| pair[0]["id"].as_i64() < pair[1]["id"].as_i64()));
}

#[test]
fn two_nodes_never_run_on_one_profile() {
    let alice = Person::new("Alice");
    let node = alice.run(None);
    let (code, error) = alice.fails(&["run", "--no-lan"]);
    assert_eq!(code, 3);
    assert!(error.contains("a node runs on this profile already"), "{error}");
    // Even where its socket is gone, the store has one owner.
    std::fs::remove_file(alice.dir().join("footpost.sock")).unwrap();
    for command in [&["run", "--no-lan"][..], &["status"]] {
        let (code, error) = alice.fails(command);
        assert_eq!(code, 3);
        assert!(error.contains("in use by another process"), "{error}");
    }
    drop(node);
    alice.fact(&["status"]);
}

#[test]
fn commands_at_the_same_moment_wait_for_each_other() {
    let (alice, bob) = (Person::new("Alice"), Person::new("Bob"));
    alice.befriend(&bob);
    let texts = ["a", "b", "c", "d", "e", "f"];
    let spawn = |text| alice.command(&["send", "Bob", text]).stdout(Stdio::null()).spawn();
    let children: Vec<_> = texts.iter().map(|text| spawn(text).unwrap()).collect();
    for mut child in children {
        assert!(child.wait().unwrap().success());
    }
    assert_eq!(alice.fact(&["status"])["messages"].as_array().unwrap().len(), texts.len());
}

#[test]
fn what_was_sent_outlives_a_killed_node() {
    let (alice, bob) = (Person::new("Alice"), Person::new("Bob"));
    alice.befriend(&bob);
    let node = alice.run(None);
    alice.fact(&["send", "Bob", "before"]);
    assert_eq!(node.signal("KILL"), None);
    // Its socket is still there, and nobody listens.
    assert!(alice.dir().join("footpost.sock").exists());
    alice.fact(&["send", "Bob", "after"]);
    let node = alice.run(None);
    let status = alice.fact(&["status"]);
    let texts: Vec<_> = status["messages"].as_array().unwrap().iter().map(|m| &m["text"]).collect();
    assert_eq!(texts, ["before", "after"]);
    assert_eq!(node.signal("INT"), Some(0));
    assert!(!alice.dir().join("footpost.sock").exists());
}

#[test]
fn nobody_else_can_look_into_a_profile() {
    let alice = Person::new("Alice");
    let _node = alice.run(None);
    let dir = alice.dir();
    assert_eq!(mode(&dir), 0o700);
    for file in ["footpost.db", "footpost.db-wal", "footpost.sock"] {
        assert_eq!(mode(&dir.join(file)), 0o600, "{file}");
    }
    std::fs::set_permissions(&dir, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let (code, error) = alice.fails(&["status"]);
    assert_eq!(code, 3);
    assert!(error.contains("run `chmod 700"), "{error}");
}

#[test]
fn the_socket_refuses_what_it_does_not_understand() {
    let alice = Person::new("Alice");
    let _node = alice.run(None);
    let ask = |line: &[u8]| {
        let mut stream = UnixStream::connect(alice.dir().join("footpost.sock")).unwrap();
        // A line without end is not read to its end.
        let _ = stream.write_all(line);
        let mut reply = String::new();
        let _ = BufReader::new(stream).read_line(&mut reply);
        serde_json::from_str::<Value>(&reply).ok()
    };
    for bad in [&b"\n"[..], b"{}\n", b"{\"request\":\"destroy\"}\n", b"\xff\xff\n"] {
        let reply = ask(bad).unwrap();
        assert_eq!((&reply["reply"], &reply["exit"]), (&"failed".into(), &"unreachable".into()));
    }
    ask(&vec![b'x'; 3 << 20]);
    assert_eq!(ask(b"{\"request\":\"card\"}\n").unwrap()["reply"], "card");
}

#[test]
fn a_chat_goes_through_the_running_node() {
    let (alice, bob) = (Person::new("Alice"), Person::new("Bob"));
    alice.befriend(&bob);
    let alices = alice.run(None);
    let _bobs = bob.run(Some(&alices));
    let mut command = alice.command(&["chat", "Bob", "--json"]);
    let mut chat = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(chat.stdout.take().unwrap())
        .lines()
        .map(|line| serde_json::from_str::<Value>(&line.unwrap()).unwrap());
    chat.stdin.as_mut().unwrap().write_all(b"hello\n\n").unwrap();
    let delivered = lines.find(|line| line["state"] == "delivered").unwrap();
    assert_eq!((&delivered["text"], &delivered["outgoing"]), (&"hello".into(), &true.into()));
    bob.fact(&["send", "Alice", "and hello to you"]);
    let answer = lines.find(|line| line["outgoing"] == false).unwrap();
    assert_eq!(answer["text"], "and hello to you");
    drop(chat.stdin.take());
    assert_eq!(lines.count(), 0);
    assert!(chat.wait().unwrap().success());
    assert_eq!(alice.facts(&["inbox"]).len(), 0);
}
