"""The shell on Bumble, an implementation of Bluetooth that knows nothing of Footpost's."""

from __future__ import annotations

import asyncio
import random
from contextlib import AsyncExitStack

from air import Air, Phone, make_device
from bumble.att import Attribute
from bumble.core import UUID, AdvertisingData
from bumble.device import Peer
from bumble.gatt import Characteristic, CharacteristicValue, Service
from conftest import SOON, introduce, reaches, received, run, text, until

from footpost import DeliveryState, ble_service

NAMES = ble_service()
SERVICE, INFO, INBOX, OUTBOX = map(UUID, (NAMES.service, NAMES.info, NAMES.inbox, NAMES.outbox))
# Each way in which bytes can travel.
BEARERS = [(23, False), (185, False), (517, False), (517, True)]
LONG = random.Random(1).randbytes(6000).hex()


def test_a_stranger_carries_a_message_by_bluetooth_alone(home):
    async def journey(mtu, with_channels):
        air, place = Air(), home / f"{mtu}{with_channels}"
        radio = {"mtu": mtu, "with_channels": with_channels}
        async with phones(air, place, "alice", "carrier", "bob", **radio) as (alice, carrier, bob):
            bobs = await introduce(alice.node, bob.node, "Bob")
            alices = await introduce(bob.node, alice.node, "Alice")
            sent = await alice.node.send_text(bobs, LONG)

            alice.on()
            carrier.on()
            await reaches(alice.node, sent, DeliveryState.CARRIED)
            await until(lambda: carries(carrier, 1))
            await alice.off()

            bob.on()
            message = await received(bob.node)
            assert (text(message), message.contact) == (LONG, alices)
            await until(lambda: carries(carrier, 0))
            await bob.off()

            alice.on()
            await reaches(alice.node, sent, DeliveryState.DELIVERED)

    async def journeys():
        await asyncio.gather(*(journey(*bearer) for bearer in BEARERS))

    run(journeys())


def test_a_link_cut_in_mid_frame_or_by_the_adapter_loses_and_doubles_nothing(home):
    async def interrupted(mtu, with_channels):
        air, place = Air(), home / f"{mtu}{with_channels}"
        radio = {"mtu": mtu, "with_channels": with_channels}
        async with phones(air, place, "alice", "bob", **radio) as (alice, bob):
            bobs = await introduce(alice.node, bob.node, "Bob")
            await introduce(bob.node, alice.node, "Alice")
            texts = [f"{n}{LONG}" for n in range(3)]
            sent = [await alice.node.send_text(bobs, words) for words in texts]
            bob.on()
            # Before the handshake is over, and twice in the transfer.
            for octets in (400, 5_000, 15_000):
                cut = passes_only(air, octets)
                alice.on()
                await asyncio.wait_for(cut, SOON)
                if octets == 5_000:
                    alice.radio.cut()
                await alice.off()
            air.passes = lambda sender, packet: True
            alice.on()
            for message in sent:
                await until(lambda message=message: is_delivered(alice, message))
            messages = await bob.node.messages()
            assert sorted(text(it) for it in messages) == texts

    async def all_interrupted():
        await asyncio.gather(*(interrupted(*bearer) for bearer in BEARERS))

    run(all_interrupted())


def test_a_neighbour_that_never_grants_credits_gets_no_more_and_holds_up_nobody(home):
    async def ungranted():
        air = Air()
        async with phones(air, home, "alice", "miser", "bob", mtu=23) as (alice, miser, bob):
            misers = await introduce(alice.node, miser.node, "miser")
            bobs = await introduce(alice.node, bob.node, "Bob")
            await introduce(miser.node, alice.node, "Alice")
            await introduce(bob.node, alice.node, "Alice")
            taken = 0

            def passes(sender, packet):
                nonlocal taken
                value = gatt_value(packet)
                if sender is alice.radio and value and not value[0] & 0x80:
                    taken += 1
                # A grant is one octet, with its first bit set.
                return sender is not miser.radio or not (len(value) == 1 and value[0] & 0x80)

            air.passes = passes
            first = await alice.node.send_text(misers, LONG)
            alice.on()
            miser.on()
            await until(lambda: asyncio.sleep(0, taken == 32))
            bob.on()
            second = await alice.node.send_text(bobs, "never mind him")
            await reaches(alice.node, second, DeliveryState.DELIVERED)
            assert await miser.node.messages() == []

            # Once he does, all comes.
            await miser.off()
            air.passes = lambda sender, packet: True
            miser.on()
            await reaches(alice.node, first, DeliveryState.DELIVERED)

    run(ungranted())


def test_a_peer_that_sends_garbage_is_disconnected_and_disturbs_nobody(home):
    async def disturbed():
        air = Air()
        async with phones(air, home, "alice", "bob") as (alice, bob):
            bobs = await introduce(alice.node, bob.node, "Bob")
            await introduce(bob.node, alice.node, "Alice")
            alice.on()
            for values in GARBAGE:
                await write_garbage(air, alice, values)
            await notify_garbage(air)
            bob.on()
            sent = await alice.node.send_text(bobs, LONG)
            await reaches(alice.node, sent, DeliveryState.DELIVERED)

    run(disturbed())


# Empty; a grant of too much, and one with bytes; data that comes first as second, too much, or
# without bytes; a frame too long; a handshake that is none.
GARBAGE = [
    [b""],
    [b"\xff"],
    [b"\xa0\x00"],
    [b"\x01\x00\x01\x00"],
    [bytes([n]) + b"\x00\x10" * 8 for n in range(40)],
    [b"\x00"],
    [b"\x00\xff\xff"],
    [b"\x00\x00\x05hello"],
]


async def write_garbage(air, phone, values):
    """Connects to a phone as a central does, and writes. Returns once it is disconnected."""
    device, _ = make_device(air)
    await device.power_on()
    connection = await device.connect(phone.radio.random_address, timeout=None)
    ended = asyncio.get_running_loop().create_future()
    connection.on("disconnection", ended.set_result)
    peer = Peer(connection)
    [service] = await peer.discover_service(SERVICE)
    found = {it.uuid: it for it in await service.discover_characteristics()}
    await found[OUTBOX].subscribe(lambda value: None)
    for value in values:
        await found[INBOX].write_value(value)
    await asyncio.wait_for(ended, SOON)


async def notify_garbage(air):
    """Shows garbage to who reads, then to who comes again and writes. Each time disconnected."""
    device, _ = make_device(air)
    kinds = Characteristic.Properties
    readable, writable = Attribute.Permissions.READABLE, Attribute.Permissions.WRITEABLE
    outbox = Characteristic(OUTBOX, kinds.NOTIFY, Attribute.Permissions(0))
    info = Characteristic(INFO, kinds.READ, readable, b"")
    garbage = b"\x00\xff\xff"
    answer = CharacteristicValue(
        write=lambda connection, _: device.notify_subscriber(connection, outbox, garbage)
    )
    inbox = Characteristic(INBOX, kinds.WRITE_WITHOUT_RESPONSE, writable, answer)
    device.add_service(Service(SERVICE, [info, inbox, outbox]))
    await device.power_on()
    names = AdvertisingData.Type.COMPLETE_LIST_OF_128_BIT_SERVICE_CLASS_UUIDS
    advertisement = bytes(AdvertisingData([(names, SERVICE.to_pdu_bytes())]))
    for value in (b"", b"\x01\x00\x00"):
        info.value = value
        ended = asyncio.get_running_loop().create_future()
        end = ended.set_result
        device.once("connection", lambda it, end=end: it.on("disconnection", end))
        await device.start_advertising(advertising_data=advertisement)
        await asyncio.wait_for(ended, SOON)


def phones(air, place, *names, **radio):
    """Phones that are off."""

    class Opened(AsyncExitStack):
        async def __aenter__(self):
            await super().__aenter__()
            opened = [Phone(air, place / name, **radio) for name in names]
            return [await self.enter_async_context(phone) for phone in opened]

    return Opened()


def passes_only(air, octets):
    """Lets so much pass, and no more. What it returns is done when the next packet is sent."""
    used_up = asyncio.get_running_loop().create_future()
    passed = 0

    def passes(sender, packet):
        nonlocal passed
        passed += len(packet)
        if passed > octets and not used_up.done():
            used_up.set_result(None)
        return passed <= octets

    air.passes = passes
    return used_up


def gatt_value(packet):
    """What is written without response or notified by an L2CAP packet."""
    is_att, operation = packet[2:4] == b"\x04\x00", packet[4]
    return packet[7:] if is_att and operation in (0x52, 0x1B) else b""


async def carries(phone, envelopes):
    return (await phone.node.stats()).foreign_envelopes == envelopes


async def is_delivered(phone, message):
    return (await phone.node.message(message)).state == DeliveryState.DELIVERED
