"""Footpost: messages without a server, sealed end to end, that travel from phone to phone.

`Footpost.open` opens a node; `async with` shuts it down. What happens comes as events.
"""

from __future__ import annotations

import atexit
import weakref
from collections.abc import AsyncIterator
from types import TracebackType

from . import _generated
from ._generated import (
    AttachmentError,
    BackupError,
    Ble,
    BleCommand,
    BleConnection,
    BleDuty,
    BleFact,
    BlePlatform,
    BleService,
    BleSide,
    BleStats,
    Bulletin,
    BulletinDraft,
    BulletinError,
    BulletinFilter,
    BulletinKind,
    ByteLink,
    CardOwner,
    Conditions,
    Config,
    Contact,
    ContactError,
    Content,
    Conversation,
    DeliveryState,
    DialError,
    Event,
    Found,
    IdentityError,
    KeyWarning,
    Keystore,
    KeystoreError,
    LinkCost,
    LinkError,
    LinkRole,
    Message,
    Neighbour,
    NodeError,
    OpenError,
    Pixels,
    PowerMode,
    Priority,
    Protection,
    Publisher,
    Relation,
    SendError,
    Stance,
    Stats,
    Tick,
    Transfer,
    Vault,
    WifiDirect,
    WifiDirectCommand,
    WifiDirectError,
    WifiDirectFact,
    WifiStation,
    ble_service,
    change_passphrase,
    read_card,
)

__all__ = [
    "AttachmentError",
    "BackupError",
    "Ble",
    "BleCommand",
    "BleConnection",
    "BleDuty",
    "BleFact",
    "BlePlatform",
    "BleService",
    "BleSide",
    "BleStats",
    "Bulletin",
    "BulletinDraft",
    "BulletinError",
    "BulletinFilter",
    "BulletinKind",
    "ByteLink",
    "CardOwner",
    "Conditions",
    "Config",
    "Contact",
    "ContactError",
    "Content",
    "Conversation",
    "DeliveryState",
    "DialError",
    "Event",
    "Footpost",
    "Found",
    "IdentityError",
    "KeyWarning",
    "Keystore",
    "KeystoreError",
    "LinkCost",
    "LinkError",
    "LinkRole",
    "Message",
    "Neighbour",
    "NodeError",
    "OpenError",
    "Pixels",
    "PowerMode",
    "Priority",
    "Protection",
    "Publisher",
    "Relation",
    "SendError",
    "Stance",
    "Stats",
    "Tick",
    "Transfer",
    "Vault",
    "WifiDirect",
    "WifiDirectCommand",
    "WifiDirectError",
    "WifiDirectFact",
    "WifiStation",
    "ble_service",
    "change_passphrase",
    "read_card",
]


class Footpost(_generated.Footpost):
    __doc__ = _generated.Footpost.__doc__

    @classmethod
    def open(cls, config: Config, vault: Vault) -> Footpost:
        """Opens the node in the configuration's directory; an empty one gets a new identity.

        Waits for the disk, and under a passphrase half a second for its key.
        """
        return _halted_at_exit(super().open(config, vault))

    @classmethod
    def restore(cls, config: Config, vault: Vault, recovery_words: str, path: str) -> Footpost:
        """Opens a node from a backup, in the configuration's directory, which has none yet."""
        return _halted_at_exit(super().restore(config, vault, recovery_words, path))

    async def next_event(self) -> Event | None:
        """The next event; none once the node has stopped and all were taken.

        Who is cancelled while waiting has lost none.
        """
        while await self.wait_for_event():
            event = self.take_event()
            if event is not None:
                return event
        return None

    async def events(self) -> AsyncIterator[Event]:
        """What happens from now on, until the node stops."""
        while (event := await self.next_event()) is not None:
            yield event

    async def __aenter__(self) -> Footpost:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.shutdown()


_open: weakref.WeakSet[Footpost] = weakref.WeakSet()


def _halted_at_exit(node: Footpost) -> Footpost:
    """Threads that call an interpreter while it ends bring it down."""
    _open.add(node)
    return node


@atexit.register
def _halt() -> None:
    for node in list(_open):
        node.halt()


def _explain(error: type[Exception]) -> None:
    """Lets `str(error)` tell the user what to do, and not the fields alone."""
    for variant in vars(error).values():
        if isinstance(variant, type) and issubclass(variant, error):
            variant.__str__ = lambda self: self.explanation()  # type: ignore[attr-defined]


for _error in (
    AttachmentError,
    BackupError,
    BulletinError,
    ContactError,
    DialError,
    IdentityError,
    LinkError,
    NodeError,
    OpenError,
    SendError,
    WifiDirectError,
):
    _explain(_error)
