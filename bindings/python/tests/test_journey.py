"""The demo's journey: a message travels from Alice to a carrier, and from the carrier to Bob."""

from conftest import introduce, reaches, received, run, start, text, until
from footpost import DeliveryState


def test_a_stranger_carries_a_message_and_the_writer_learns_that_it_arrived(home):
    async def journey():
        alice, bob = start(home / "alice"), start(home / "bob")
        bobs = await introduce(alice, bob, "Bob")
        alices = await introduce(bob, alice, "Alice")
        sent = await alice.send_text(bobs, "The bridge is out.")
        assert (await alice.message(sent)).state == DeliveryState.QUEUED
        await bob.shutdown()

        carrier = start(home / "carrier", peers=[alice.listen_address()])
        await reaches(alice, sent, DeliveryState.CARRIED)
        await until(lambda: carries(carrier, 1))
        await alice.shutdown()

        bob = start(home / "bob", peers=[carrier.listen_address()])
        message = await received(bob)
        assert (text(message), message.contact) == ("The bridge is out.", alices)
        await until(lambda: carries(carrier, 0))
        await bob.shutdown()

        alice = start(home / "alice", peers=[carrier.listen_address()])
        await reaches(alice, sent, DeliveryState.DELIVERED)
        delivered = await alice.message(sent)
        assert delivered.carriers == 1 and delivered.delivered_ms is not None
        await alice.shutdown()
        await carrier.shutdown()

    run(journey())


async def carries(node, envelopes):
    return (await node.stats()).foreign_envelopes == envelopes
