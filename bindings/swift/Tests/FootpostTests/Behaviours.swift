import Testing

/// What docs/api.md lists, one after the other: several of them measure, or end processes.
@Suite(.serialized, .timeLimit(.minutes(3)))
enum Behaviours {}
