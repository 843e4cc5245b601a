"""A message travels from Alice to a carrier, and from the carrier to Bob."""

from conftest import introduce, reaches, received, run, start, text, until
from footpost import NodeError, State
import pytest


def test_a_stranger_carries_a_message_and_the_writer_learns_that_it_arrived(home):
    async def journey():
        alice, bob = start(home / "alice"), start(home / "bob")
        bobs = await introduce(alice, bob, "Bob")
        alices = await introduce(bob, alice, "Alice")
        sent = await alice.send_text(bobs, "The bridge is out.")
        assert (await alice.message(sent)).state == State.QUEUED
        await bob.shutdown()

        carrier = start(home / "carrier", peers=[alice.listen_address()])
        await reaches(alice, sent, State.CARRIED)
        assert (await carrier.stats()).foreign_envelopes == 1
        await alice.shutdown()

        bob = start(home / "bob", peers=[carrier.listen_address()])
        message = await received(bob)
        assert (text(message), message.contact) == ("The bridge is out.", alices)
        await until(lambda: carries(carrier, 0))
        await bob.shutdown()

        alice = start(home / "alice", peers=[carrier.listen_address()])
        await reaches(alice, sent, State.DELIVERED)
        delivered = await alice.message(sent)
        assert delivered.carriers == 1 and delivered.delivered_ms is not None
        await alice.shutdown()
        await carrier.shutdown()

    run(journey())


async def carries(node, envelopes):
    return (await node.stats()).foreign_envelopes == envelopes


def test_calls_after_shutdown_are_refused_and_shutdown_may_be_asked_twice(home):
    async def ends():
        node = start(home)
        await node.shutdown()
        await node.shutdown()
        with pytest.raises(NodeError.Closed, match="open it again"):
            await node.card()
        while await node.next_event() is not None:
            pass

    run(ends())
