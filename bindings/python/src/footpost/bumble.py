"""Bluetooth LE on Google's Bumble: the reference shell, which those of the phones copy.

    ble = await node.bluetooth(BlePlatform.BLUEZ)
    async with await open_transport("usb:0") as hci:
        address = Address.generate_static_address()
        await Shell(ble, Device.with_hci("", address, hci.source, hci.sink)).run()

It does what commands say, and tells as facts what comes of that and what happens besides. Every
decision is Footpost's; docs/radio.md in the repository, section 4, is what the two rely on.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

from bumble.att import Attribute
from bumble.core import UUID, AdvertisingData, ConnectionError
from bumble.device import Advertisement, Connection, Device, Peer
from bumble.gatt import Characteristic, CharacteristicValue, Service
from bumble.gatt_client import CharacteristicProxy
from bumble.hci import (
    Address,
    AddressType,
    HCI_LE_Create_Connection_Cancel_Command,
    OwnAddressType,
    Role,
)
from bumble.l2cap import (
    L2CAP_LE_Flow_Control_Credit,
    LeCreditBasedChannel,
    LeCreditBasedChannelSpec,
)

from . import Ble, BleCommand, BleConnection, BleFact, BleSide, ble_service

__all__ = ["Shell"]

log = logging.getLogger(__name__)

NAMES = ble_service()
SERVICE, INFO, INBOX, OUTBOX = map(UUID, (NAMES.service, NAMES.info, NAMES.inbox, NAMES.outbox))
# What a neighbour may send on an L2CAP channel before this side has taken any: so many packets, the
# longest of which fit into as many frames of the least size (Core, volume 3, part A, 4.22).
CREDITS = 32
CHANNEL_MTU = 512


class Shell:
    """Serves Footpost with one adapter, until that goes. After it another may serve."""

    def __init__(self, ble: Ble, device: Device, with_channels: bool = True) -> None:
        self._ble, self._device, self._with_channels = ble, device, with_channels
        self._links: dict[tuple[int, BleSide], _Link] = {}
        self._work: set[asyncio.Task[None]] = set()
        self._advertisement: BleCommand.ADVERTISE | None = None
        self._advertising = asyncio.Lock()
        self._info = b""
        kinds = Characteristic.Properties
        readable, writable = Attribute.Permissions.READABLE, Attribute.Permissions.WRITEABLE
        info = CharacteristicValue[bytes](read=lambda _: self._info)
        inbox = CharacteristicValue[bytes](write=self._on_write)
        self._outbox = Characteristic[bytes](OUTBOX, kinds.NOTIFY, Attribute.Permissions(0))
        characteristics: list[Characteristic[bytes]] = [
            Characteristic(INFO, kinds.READ, readable, info),
            Characteristic(INBOX, kinds.WRITE_WITHOUT_RESPONSE, writable, inbox),
            self._outbox,
        ]
        device.add_service(Service(SERVICE, characteristics))
        device.on(Device.EVENT_CONNECTION, self._on_connection)
        device.on(Device.EVENT_CONNECTION_FAILURE, self._on_connection_failure)
        device.on(Device.EVENT_ADVERTISEMENT, self._on_advertisement)
        device.gatt_server.on("characteristic_subscription", self._on_subscription)

    async def run(self) -> None:
        """Returns once the node has stopped or the adapter is gone."""
        await self._device.power_on()
        self._ble.report(BleFact.ADAPTER_ON())
        if self._with_channels:
            spec = LeCreditBasedChannelSpec(mtu=CHANNEL_MTU, max_credits=CREDITS)
            server = self._device.create_l2cap_server(spec, self._on_channel)
            self._ble.report(BleFact.LISTENING(server.psm))
        gone = asyncio.get_running_loop().create_future()
        self._device.once(Device.EVENT_FLUSH, lambda: gone.set_result(None))
        obeying = asyncio.create_task(self._obey())
        try:
            await asyncio.wait({obeying, gone}, return_when=asyncio.FIRST_COMPLETED)
            if obeying.done():
                obeying.result()
        finally:
            for task in (obeying, *self._work):
                task.cancel()
            for link in self._links.values():
                link.cancel()
            self._ble.report(BleFact.ADAPTER_OFF())
            if not gone.done():
                await self._device.reset()

    async def _obey(self) -> None:
        while (command := await self._ble.next_command()) is not None:
            log.debug("%s", command)
            await self._execute(command)

    async def _execute(self, command: BleCommand) -> None:
        """What takes a neighbour's time goes on beside the next command."""
        match command:
            case BleCommand.SCAN():
                await self._attempt(self._scan(command), BleFact.SCAN_FAILED())
            case BleCommand.STOP_SCAN():
                await self._attempt(self._device.stop_scanning(), BleFact.SCAN_FAILED())
            case BleCommand.ADVERTISE():
                self._advertisement = command
                await self._attempt(self._advertise(), BleFact.ADVERTISE_FAILED())
            case BleCommand.SERVE(info=info):
                self._info = info
            case BleCommand.CONNECT(device=device):
                name = BleConnection(device=device, side=BleSide.CENTRAL)
                self._begin(self._connect(device), BleFact.FAILED(name), self._work)
            case BleCommand.DISCONNECT(connection=name):
                self._begin(self._disconnect(name), BleFact.DISCONNECTED(name), self._work)
            case BleCommand.EXCHANGE_MTU(connection=name, mtu=mtu):
                self._begin_on(name, lambda link: self._exchange_mtu(link, mtu))
            case BleCommand.READ_INFO(connection=name):
                self._begin_on(name, self._read_info)
            case BleCommand.OPEN_CHANNEL(connection=name, psm=psm):
                failure = BleFact.CHANNEL_FAILED(name)
                self._begin_on(name, lambda link: self._open_channel(link, psm), failure)
            case BleCommand.SUBSCRIBE(connection=name):
                self._begin_on(name, self._subscribe)
            case BleCommand.WRITE(connection=name, value=value):
                self._begin_on(name, lambda link: self._write(link, value))
            case BleCommand.NOTIFY(connection=name, value=value):
                self._begin_on(name, lambda link: self._notify(link, value))
            case BleCommand.SEND(connection=name, bytes=value):
                self._begin_on(name, lambda link: self._send(link, value))

    def _begin(self, doing: Coroutine[Any, Any, None], failure: BleFact, work: _Work) -> None:
        task = asyncio.create_task(self._attempt(doing, failure))
        work.add(task)
        task.add_done_callback(work.discard)
        # Python complains of what is cancelled before it has begun.
        task.add_done_callback(lambda _: doing.close())

    def _begin_on(
        self,
        name: BleConnection,
        do: Callable[[_Link], Coroutine[Any, Any, None]],
        failure: BleFact | None = None,
    ) -> None:
        if link := self._links.get((name.device, name.side)):
            self._begin(do(link), failure or BleFact.FAILED(name), link.work)

    async def _attempt(self, doing: Coroutine[Any, Any, None], failure: BleFact) -> None:
        try:
            await doing
        # Whatever the stack could not do, what is to be done now is not for a shell to say.
        except Exception as error:
            log.debug("%s: %r", failure, error)
            self._ble.report(failure)

    # Scanning and advertising.

    async def _scan(self, scan: BleCommand.SCAN) -> None:
        if self._device.is_scanning:
            await self._device.stop_scanning()
        window, interval = scan.window_ms, scan.interval_ms
        await self._device.start_scanning(scan_window=window, scan_interval=interval)

    def _on_advertisement(self, advertisement: Advertisement) -> None:
        kinds, uuid = AdvertisingData.Type, SERVICE.to_pdu_bytes()
        data = advertisement.data.get_all(kinds.SERVICE_DATA_128_BIT_UUID, raw=True)
        tags = [it[len(uuid) :] for it in data if it.startswith(uuid)]
        names = kinds.COMPLETE_LIST_OF_128_BIT_SERVICE_CLASS_UUIDS
        named = advertisement.data.get_all(names, raw=True)
        if tags or any(it.startswith(uuid) for it in named):
            device, tag = _number(advertisement.address), tags[0] if tags else None
            self._ble.report(BleFact.SEEN(device, advertisement.rssi, tag))

    async def _advertise(self) -> None:
        # Asked for by a command, and by each neighbour that has connected, for that ends it.
        async with self._advertising:
            if wanted := self._advertisement:
                kinds, uuid = AdvertisingData.Type, SERVICE.to_pdu_bytes()
                flags = AdvertisingData.LE_GENERAL_DISCOVERABLE_MODE_FLAG
                flags |= AdvertisingData.BR_EDR_NOT_SUPPORTED_FLAG
                named = (kinds.COMPLETE_LIST_OF_128_BIT_SERVICE_CLASS_UUIDS, uuid)
                tagged = (kinds.SERVICE_DATA_128_BIT_UUID, uuid + (wanted.tag or b""))
                await self._device.start_advertising(
                    advertising_data=_encode((kinds.FLAGS, bytes([flags])), named),
                    scan_response_data=_encode(tagged) if wanted.tag else b"",
                    advertising_interval_min=wanted.interval_ms,
                    advertising_interval_max=wanted.interval_ms,
                )

    # Connections, which either side has made.

    async def _connect(self, device: int) -> None:
        connection = await self._device.connect(_address(device), timeout=None)
        if connection.role != Role.CENTRAL:
            # Bumble takes whoever comes for whom it has called, who may come still, or fail to.
            self._device.connect_own_address_type = OwnAddressType.RANDOM

    def _on_connection_failure(self, error: ConnectionError) -> None:
        if isinstance(error.peer_address, Address):
            name = BleConnection(device=_number(error.peer_address), side=BleSide.CENTRAL)
            self._ble.report(BleFact.FAILED(name))

    async def _disconnect(self, name: BleConnection) -> None:
        if link := self._links.get((name.device, name.side)):
            await link.connection.disconnect()
        else:
            await self._device.send_sync_command(HCI_LE_Create_Connection_Cancel_Command())
            self._ble.report(BleFact.DISCONNECTED(name))

    def _on_connection(self, connection: Connection) -> None:
        is_central = connection.role == Role.CENTRAL
        side = BleSide.CENTRAL if is_central else BleSide.PERIPHERAL
        name = BleConnection(device=_number(connection.peer_address), side=side)
        link = self._links[name.device, name.side] = _Link(name, connection)
        connection.on(Connection.EVENT_DISCONNECTION, lambda _: self._on_disconnection(link))
        self._ble.report(BleFact.CONNECTED(name, connection.att_mtu))
        if not is_central:
            tell = lambda: self._ble.report(BleFact.MTU(name, connection.att_mtu))
            connection.on(Connection.EVENT_CONNECTION_ATT_MTU_UPDATE, tell)
            self._begin(self._advertise(), BleFact.ADVERTISE_FAILED(), self._work)

    def _on_disconnection(self, link: _Link) -> None:
        link.cancel()
        name = link.name
        if self._links.get((name.device, name.side)) is link:
            del self._links[name.device, name.side]
            self._ble.report(BleFact.DISCONNECTED(name))

    def _link_of(self, connection: Connection) -> _Link | None:
        return next((it for it in self._links.values() if it.connection is connection), None)

    # The central of a connection.

    async def _exchange_mtu(self, link: _Link, mtu: int) -> None:
        peer = Peer(link.connection)
        await peer.request_mtu(mtu)
        [service] = await peer.discover_service(SERVICE)
        link.found = {it.uuid: it for it in await service.discover_characteristics()}
        self._ble.report(BleFact.MTU(link.name, link.connection.att_mtu))

    async def _read_info(self, link: _Link) -> None:
        value = await link.found[INFO].read_value(no_long_read=True)
        self._ble.report(BleFact.INFO(link.name, value))

    async def _subscribe(self, link: _Link) -> None:
        tell = lambda value: self._ble.report(BleFact.RECEIVED(link.name, value))
        await link.found[OUTBOX].subscribe(tell)
        self._ble.report(BleFact.SUBSCRIBED(link.name))

    async def _write(self, link: _Link, value: bytes) -> None:
        await link.found[INBOX].write_value(value)
        await link.connection.drain()
        self._ble.report(BleFact.WRITABLE(link.name))

    # The peripheral.

    def _on_subscription(
        self, connection: Connection, of: Characteristic[bytes], notifies: bool, _indicates: bool
    ) -> None:
        link = self._link_of(connection)
        if link and of is self._outbox and notifies:
            self._ble.report(BleFact.SUBSCRIBED(link.name))

    def _on_write(self, connection: Connection, value: bytes) -> None:
        if link := self._link_of(connection):
            self._ble.report(BleFact.RECEIVED(link.name, value))

    async def _notify(self, link: _Link, value: bytes) -> None:
        await self._device.notify_subscriber(link.connection, self._outbox, value)
        await link.connection.drain()
        self._ble.report(BleFact.WRITABLE(link.name))

    # L2CAP channels, the same on both sides once they are open.

    async def _open_channel(self, link: _Link, psm: int) -> None:
        spec = LeCreditBasedChannelSpec(psm, CHANNEL_MTU, max_credits=CREDITS)
        self._use(link, await link.connection.create_l2cap_channel(spec))

    def _on_channel(self, channel: LeCreditBasedChannel) -> None:
        link = self._link_of(channel.connection)
        if link and not link.channel:
            self._use(link, channel)

    def _use(self, link: _Link, channel: LeCreditBasedChannel) -> None:
        link.channel = channel
        # Bumble would grant more before what came is taken.
        channel.peer_credits_threshold = -1
        arrived: asyncio.Queue[bytes] = asyncio.Queue()
        channel.sink = arrived.put_nowait
        self._begin(self._take(link, channel, arrived), BleFact.FAILED(link.name), link.work)
        self._ble.report(BleFact.CHANNEL_OPEN(link.name))

    async def _take(
        self, link: _Link, channel: LeCreditBasedChannel, arrived: asyncio.Queue[bytes]
    ) -> None:
        # Each packet takes a credit at least.
        while arrived.qsize() <= CREDITS:
            self._ble.report(BleFact.CHANNEL_RECEIVED(link.name, await arrived.get()))
            await self._ble.readable(link.name)
            granted = CREDITS - channel.peer_credits - arrived.qsize()
            if granted > 0:
                number = channel.manager.next_identifier(channel.connection)
                cid = channel.source_cid
                channel.send_control_frame(L2CAP_LE_Flow_Control_Credit(number, cid, granted))
                channel.peer_credits += granted
        raise ValueError("more than was granted")

    async def _send(self, link: _Link, value: bytes) -> None:
        assert link.channel
        link.channel.write(value)
        await link.channel.drain()
        await link.connection.drain()
        self._ble.report(BleFact.WRITABLE(link.name))


_Work = set[asyncio.Task[None]]


@dataclass(eq=False)
class _Link:
    """A connection. What is under way on it ends with it."""

    name: BleConnection
    connection: Connection
    found: dict[UUID, CharacteristicProxy[bytes]] = field(default_factory=dict)
    channel: LeCreditBasedChannel | None = None
    work: _Work = field(default_factory=set)

    def cancel(self) -> None:
        for task in self.work:
            task.cancel()


def _number(address: Address) -> int:
    return int.from_bytes(bytes([*address.address_bytes, address.address_type]), "little")


def _address(number: int) -> Address:
    *address, kind = number.to_bytes(7, "little")
    return Address(bytes(address), AddressType(kind))


def _encode(*data: tuple[int, bytes]) -> bytes:
    return bytes(AdvertisingData(list(data)))
