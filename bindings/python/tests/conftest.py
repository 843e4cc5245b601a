"""Nodes for the tests: real ones, that listen on loopback and ask for no work."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

import pytest

import footpost
from footpost import Config, Content, DeliveryState, Event, Footpost, Message, Vault

T = TypeVar("T")

# Longer than anything here takes.
SOON = 60.0


def config(directory: Path, **settings: Any) -> Config:
    """A node that is found by its address alone, and acknowledges at once."""
    quiet = {"lan": False, "listen": "127.0.0.1:0", "ack_delay_max_ms": 0, "simulated": True}
    return Config(directory=str(directory), **{**quiet, **settings})


def start(directory: Path, **settings: Any) -> Footpost:
    return Footpost.open(config(directory, **settings), Vault.OPEN())


def run(test: Coroutine[Any, Any, T]) -> T:
    """Runs a test on an event loop of its own, for as long as tests may take."""
    return asyncio.run(asyncio.wait_for(test, 3 * SOON))


async def introduce(who: Footpost, whom: Footpost, name: str) -> int:
    """Gives `who` the card of `whom`."""
    return await who.add_contact(await whom.card(), name)


@asynccontextmanager
async def pair(home: Path, **settings: Any) -> AsyncIterator[tuple[Footpost, Footpost, int, int]]:
    """Alice and Bob, connected, and what each calls the other."""
    alice = start(home / "alice", **settings)
    bob = start(home / "bob", peers=[alice.listen_address()], **settings)
    async with alice, bob:
        yield alice, bob, await introduce(alice, bob, "Bob"), await introduce(bob, alice, "Alice")


async def event(node: Footpost, wanted: Callable[[Event], bool]) -> Event:
    """Waits for the first event that is wanted."""

    async def search() -> Event:
        async for happened in node.events():
            if wanted(happened):
                return happened
        raise AssertionError("the node stopped")

    return await asyncio.wait_for(search(), SOON)


async def received(node: Footpost) -> Message:
    """Waits for the next message that comes in."""
    happened = await event(node, lambda it: it.is_RECEIVED())
    message = await node.message(happened.message)
    assert message is not None
    return message


async def reaches(node: Footpost, message: int, state: DeliveryState) -> None:
    """Waits until a message has come so far."""
    await event(node, lambda it: it.is_PROGRESS() and it.message == message and it.state == state)


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    """Waits until something holds that no event tells."""

    async def poll() -> None:
        while not await condition():
            await asyncio.sleep(0.01)

    await asyncio.wait_for(poll(), SOON)


def text(message: Message) -> str:
    assert isinstance(message.content, Content.TEXT)
    return message.content.text


class MemoryKeystore(footpost.Keystore):
    """A keystore that forgets when its process does."""

    def __init__(self) -> None:
        self.secret: bytes | None = None

    def load(self) -> bytes | None:
        return self.secret

    def store(self, secret: bytes) -> None:
        self.secret = secret


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path
