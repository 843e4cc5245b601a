"""A node's life on a phone."""

import asyncio

import pytest
from conftest import (
    MemoryKeystore, config, introduce, pair, reaches, received, run, start, text, until,
)
from footpost import (
    BackupError, Conditions, DeliveryState, Footpost, LinkCost, LinkError, LinkRole, OpenError,
    PowerMode, Vault, change_passphrase,
)


def test_what_was_accepted_is_there_after_a_restart(home):
    async def restart():
        async with pair(home) as (alice, bob, bobs, _):
            await bob.shutdown()
            sent = await alice.send_text(bobs, "still here?")
            address = await alice.address()
        async with start(home / "alice") as alice:
            assert await alice.address() == address
            assert text(await alice.message(sent)) == "still here?"
            assert [contact.name for contact in await alice.contacts()] == ["Bob"]

    run(restart())


def test_a_backup_is_restored_with_the_words(home):
    async def restore():
        async with pair(home) as (alice, _, bobs, __):
            words = " ".join(await alice.create_words())
            sent = await alice.send_text(bobs, "remember")
            await alice.back_up(words, str(home / "backup"))
            address = await alice.address()
        other = config(home / "restored")
        wrong = " ".join(["abandon"] * 23 + ["art"])
        with pytest.raises(BackupError.WrongWords):
            Footpost.restore(other, Vault.OPEN(), wrong, str(home / "backup"))
        async with Footpost.restore(other, Vault.OPEN(), words, str(home / "backup")) as alice:
            assert await alice.address() == address
            [message] = await alice.messages()
            assert text(message) == "remember"
            assert not await alice.is_superseded()
        with pytest.raises(BackupError.InUse):
            Footpost.restore(other, Vault.OPEN(), words, str(home / "backup"))

    run(restore())


def test_a_node_that_leaves_hands_over_what_it_carries(home):
    async def leave():
        async with pair(home) as (alice, bob, bobs, _):
            await bob.shutdown()
            await alice.send_text(bobs, "by and by")
            carrier = start(home / "carrier", peers=[alice.listen_address()])
            await until(lambda: carries(carrier, 1))
        await carrier.set_power_mode(PowerMode.LEAVING)
        other = start(home / "other", peers=[carrier.listen_address()])
        async with carrier, other:
            await until(lambda: carries(other, 1))
            await until(lambda: carries(carrier, 0))
            assert (await carrier.stats()).handed_over == 1

    run(leave())


def test_quotas_and_conditions_may_change_at_any_time(home):
    async def change():
        async with start(home, max_carried_bytes=1_000_000) as node:
            assert (await node.stats()).max_foreign_bytes == 1_000_000
            await node.set_max_carried_bytes(0)
            assert (await node.stats()).max_foreign_bytes == 0
            await node.set_conditions(Conditions(metered=True, roaming=True, battery_percent=50))
            await node.set_power_mode(PowerMode.SAVING)
            await node.set_power_mode(PowerMode.FULL)

    run(change())


def test_a_background_tick_brings_what_waits_and_keeps_its_budget(home):
    async def tick():
        alice = start(home / "alice")
        bob = start(home / "bob")
        async with alice, bob:
            bobs = await introduce(alice, bob, "Bob")
            await introduce(bob, alice, "Alice")
            for n in range(20):
                await alice.send_text(bobs, f"message {n}")
            await bob.dial(alice.listen_address())
            done = await bob.background_tick(60_000)
            assert done.is_done and done.taken == 20
            assert len(await bob.messages()) == 20
            done = await bob.background_tick(0)
            assert (done.taken, done.is_done) == (0, False)

    run(tick())


def test_two_nodes_talk_over_a_stream_that_the_application_carries(home):
    async def carry():
        alice, bob = start(home / "alice"), start(home / "bob")
        async with alice, bob:
            bobs = await introduce(alice, bob, "Bob")
            await introduce(bob, alice, "Alice")
            here = await alice.open_link(LinkRole.INITIATOR, LinkCost.BLE)
            there = await bob.open_link(LinkRole.RESPONDER, LinkCost.BLE)
            pumps = [asyncio.create_task(pump(here, there)), asyncio.create_task(pump(there, here))]
            sent = await alice.send_text(bobs, "by radio")
            await reaches(alice, sent, DeliveryState.DELIVERED)
            assert text(await received(bob)) == "by radio"
            assert [neighbour.contact for neighbour in await alice.neighbours()] == [bobs]
            here.disconnected()
            there.disconnected()
            await asyncio.wait_for(asyncio.gather(*pumps), 60)
            with pytest.raises(LinkError.Ended):
                await here.received(b"more")

    run(carry())


async def pump(source, sink):
    """A shell: what is to be written on one side comes in on the other, in pieces."""
    while (data := await source.next_write()) is not None:
        try:
            for at in range(0, len(data), 100):
                await sink.received(data[at : at + 100])
        except LinkError.Ended:
            return


def test_a_store_opens_with_its_passphrase_alone(home):
    async def unlock():
        vault = Vault.PASSPHRASE("correct horse")
        async with Footpost.open(config(home), vault) as node:
            address = await node.address()
        with pytest.raises(OpenError.WrongPassphrase, match="try again"):
            Footpost.open(config(home), Vault.PASSPHRASE("battery"))
        with pytest.raises(OpenError.Locked):
            Footpost.open(config(home), Vault.OPEN())
        async with Footpost.open(config(home), vault) as node:
            assert await node.address() == address
        with pytest.raises(OpenError.WrongPassphrase):
            change_passphrase(str(home), "battery", None)
        change_passphrase(str(home), "correct horse", "battery")
        with pytest.raises(OpenError.WrongPassphrase):
            Footpost.open(config(home), vault)
        change_passphrase(str(home), "battery", None)
        async with Footpost.open(config(home), Vault.OPEN()) as node:
            assert await node.address() == address

    run(unlock())


def test_a_keystore_keeps_the_key(home):
    async def keep():
        keystore = MemoryKeystore()
        async with Footpost.open(config(home), Vault.KEYSTORE(keystore)) as node:
            address = await node.address()
        assert len(keystore.secret) > 32
        assert not (home / "vault").exists()
        async with Footpost.open(config(home), Vault.KEYSTORE(keystore)) as node:
            assert await node.address() == address
        with pytest.raises(OpenError.KeyMissing):
            Footpost.open(config(home), Vault.KEYSTORE(MemoryKeystore()))

    run(keep())


async def carries(node, envelopes):
    return (await node.stats()).foreign_envelopes == envelopes

