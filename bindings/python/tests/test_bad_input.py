"""What must never bring the host application down."""

import asyncio
import signal
import subprocess
import sys
import threading

import pytest
from conftest import MemoryKeystore, config, introduce, pair, run, start, text
from footpost import (
    ContactError, Content, DialError, Footpost, IdentityError, Keystore, NodeError, OpenError,
    SendError, Vault, read_card,
)


def test_calls_after_shutdown_are_refused_and_a_second_shutdown_does_nothing(home):
    async def end():
        async with pair(home) as (node, other, bobs, _):
            await node.shutdown()
            await node.shutdown()
            with pytest.raises(NodeError.Closed, match="open it again"):
                await node.card()
            with pytest.raises(SendError.Node) as error:
                await node.send_text(bobs, "too late")
            assert isinstance(error.value.reason, NodeError.Closed)
            other.halt()
            other.halt()
            with pytest.raises(NodeError.Closed):
                await other.card()

    run(end())


def test_calls_come_from_any_thread(home):
    async def threads():
        async with pair(home) as (alice, _, bobs, __):
            failed = []

            def send(thread):
                try:
                    asyncio.run(alice.send_text(bobs, f"thread {thread}"))
                except BaseException as error:
                    failed.append(error)

            workers = [threading.Thread(target=send, args=(n,)) for n in range(16)]
            for worker in workers:
                worker.start()
            for worker in workers:
                await asyncio.to_thread(worker.join)
            assert failed == []
            sent = {text(message) for message in await alice.messages(contact=bobs)}
            assert sent == {f"thread {n}" for n in range(16)}

    run(threads())


def test_a_cancelled_call_is_carried_out_all_the_same(home):
    async def cancel():
        async with pair(home) as (alice, _, bobs, __):
            call = asyncio.create_task(alice.send_text(bobs, "sent"))
            # Long enough to begin.
            await asyncio.sleep(0)
            call.cancel()
            with pytest.raises(asyncio.CancelledError):
                await call
            [message] = await alice.messages()
            assert text(message) == "sent"

    run(cancel())


class Broken(Keystore):
    """A keystore that throws what nobody expects."""

    def load(self):
        raise RuntimeError("the phone is locked")

    def store(self, secret):
        raise RuntimeError("the phone is locked")


def test_a_keystore_that_throws_is_an_error_of_opening(home):
    with pytest.raises(OpenError.Keystore, match="the phone is locked"):
        Footpost.open(config(home), Vault.KEYSTORE(Broken()))

    async def later():
        keystore = MemoryKeystore()
        async with Footpost.open(config(home), Vault.KEYSTORE(keystore)):
            pass
        with pytest.raises(OpenError.Keystore, match="the phone is locked"):
            Footpost.open(config(home), Vault.KEYSTORE(Broken()))
        async with Footpost.open(config(home), Vault.KEYSTORE(keystore)):
            pass

    run(later())


class Curious(MemoryKeystore):
    """A keystore that calls whoever waits for it."""

    def __init__(self, node, home):
        super().__init__()
        self.node, self.home, self.errors = node, home, []

    def store(self, secret):
        try:
            asyncio.run(self.node.stats())
        except NodeError as error:
            self.errors.append(error)
        try:
            Footpost.open(config(self.home), Vault.OPEN())
        except OpenError as error:
            self.errors.append(error)
        super().store(secret)


def test_a_keystore_cannot_call_footpost(home):
    node = start(home / "other")
    keystore = Curious(node, home / "third")
    again = Footpost.open(config(home / "node"), Vault.KEYSTORE(keystore))
    assert len(keystore.errors) >= 2
    for error in keystore.errors:
        assert isinstance(error, (NodeError.InCallback, OpenError.InCallback))
    run(again.shutdown())
    run(node.shutdown())


HOLD = """
import sys
from footpost import Config, Footpost, Vault
node = Footpost.open(Config(directory=sys.argv[1], lan=False, simulated=True), Vault.OPEN())
print("open", flush=True)
sys.stdin.read()
"""


def test_a_store_in_use_by_another_process_is_refused(home):
    other = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(home)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert other.stdout.readline() == b"open\n"
    with pytest.raises(OpenError.InUse):
        start(home)
    other.kill()
    other.wait()
    node = start(home)
    with pytest.raises(OpenError.InUse):
        start(home)
    run(node.shutdown())


def test_a_wrong_key_is_refused(home):
    async def confuse():
        keystores = [MemoryKeystore(), MemoryKeystore()]
        for name, keystore in zip("ab", keystores):
            async with Footpost.open(config(home / name), Vault.KEYSTORE(keystore)):
                pass
        with pytest.raises(OpenError.WrongKey):
            Footpost.open(config(home / "a"), Vault.KEYSTORE(keystores[1]))
        keystores[1].secret = b"short"
        with pytest.raises(OpenError.Damaged):
            Footpost.open(config(home / "a"), Vault.KEYSTORE(keystores[1]))
        (home / "a" / "footpost.db").write_bytes(b"no store at all" * 1000)
        with pytest.raises((OpenError.WrongKey, OpenError.Damaged)):
            Footpost.open(config(home / "a"), Vault.KEYSTORE(keystores[0]))

    run(confuse())


DIE = """
import asyncio, os, signal, sys
from footpost import Config, Footpost, NodeError, PowerMode, Vault
home, card, deadline = sys.argv[1], sys.argv[2], int(sys.argv[3])
calls = 0

def done(result=None):
    global calls
    print("done", flush=True)
    if calls == deadline:
        os.kill(os.getpid(), signal.SIGKILL)
    calls += 1
    return result

async def live():
    node = done(Footpost.open(Config(directory=home, lan=False, simulated=True), Vault.OPEN()))
    done(await node.set_name("Ada"))
    bob = done(await node.add_contact(card, "Bob"))
    for n in range(3):
        done(await node.send_text(bob, f"message {n}"))
    done(await node.create_words())
    done(await node.set_power_mode(PowerMode.LEAVING))
    done(await node.shutdown())
    print("all", flush=True)

asyncio.run(live())
"""


def test_a_process_may_die_between_any_two_calls(home):
    async def card():
        async with start(home / "bob") as bob:
            return await bob.card()

    async def look(directory):
        async with start(directory) as node:
            return await node.name(), len(await node.contacts()), len(await node.messages())

    bobs = run(card())
    for deadline in range(10):
        directory = home / str(deadline)
        died = subprocess.run(
            [sys.executable, "-c", DIE, str(directory), bobs, str(deadline)],
            capture_output=True,
            timeout=60,
        )
        done = died.stdout.count(b"done")
        assert died.returncode == (-signal.SIGKILL if deadline < 9 else 0), died.stderr
        assert done == min(deadline + 1, 9)
        name, contacts, messages = run(look(directory))
        assert name == ("Ada" if done >= 2 else None)
        assert contacts == (1 if done >= 3 else 0)
        assert messages == max(0, min(done - 3, 3))


EXIT = """
import asyncio, sys
from footpost import Config, Footpost, Vault
node = Footpost.open(Config(directory=sys.argv[1], lan=False, simulated=True), Vault.OPEN())
for _ in range(20):
    asyncio.run(node.stats())
"""


def test_a_process_may_end_without_a_word(home):
    for _ in range(8):
        ended = subprocess.run(
            [sys.executable, "-c", EXIT, str(home)], capture_output=True, timeout=60
        )
        assert (ended.returncode, ended.stderr) == (0, b"")


def test_strings_that_are_empty_huge_or_no_unicode_are_refused(home):
    async def refuse():
        huge, broken = "a" * 1_000_000, "\ud800"
        async with pair(home) as (alice, bob, bobs, _):
            card = await bob.card()
            for bad in ("", huge, "footpost:", "footpost:" + huge, card[:-1], "\0"):
                with pytest.raises(ContactError.Card):
                    await alice.add_contact(bad, "Bob")
                with pytest.raises(ContactError.Card):
                    read_card(bad)
                with pytest.raises(DialError.Address):
                    await alice.dial(bad)
                with pytest.raises(IdentityError.Misread):
                    await alice.revoke_identity(bad)
            for bad in ("", huge, "a\nb"):
                with pytest.raises(ContactError.Name):
                    await alice.rename_contact(bobs, bad)
            with pytest.raises(SendError.Empty):
                await alice.send_text(bobs, "")
            with pytest.raises(SendError.TooLong) as error:
                await alice.send_text(bobs, huge)
            assert 0 < error.value.excess_bytes < len(huge)
            for bad in ("", huge):
                with pytest.raises(SendError.ContentType):
                    await alice.send_bytes(bobs, bad, b"")
                with pytest.raises((SendError.Unreadable, SendError.Name)):
                    await alice.send_file(bobs, str(home), bad, "a/b")
                with pytest.raises(OpenError):
                    Footpost.open(config(bad), Vault.OPEN())
            assert (await alice.search(huge)).messages == []
            with pytest.raises(UnicodeError):
                await alice.send_text(bobs, broken)
            with pytest.raises(OpenError.Config):
                start(home / "c", listen="nowhere")
            await alice.send_bytes(bobs, "a/b", b"")
            assert (await alice.messages())[-1].content == Content.APPLICATION("a/b", b"")

    run(refuse())


def test_numbers_of_nothing_are_refused(home):
    async def refuse():
        async with start(home) as node:
            for number in (0, -1, 2**63 - 1, -(2**63)):
                with pytest.raises(SendError.UnknownContact):
                    await node.send_text(number, "hello")
                with pytest.raises(ContactError.Unknown):
                    await node.remove_contact(number)
                assert await node.message(number) is None
                assert await node.messages(contact=number) == []
                await node.mark_seen(number)
            with pytest.raises(ValueError):
                await node.message(2**63)
            with pytest.raises(ValueError):
                await node.messages(limit=-1)
            assert await node.messages(limit=0) == []

    run(refuse())
