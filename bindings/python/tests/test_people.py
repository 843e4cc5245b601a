"""Oneself and others."""

import pytest
from conftest import event, introduce, pair, received, run, start, text, until
from footpost import (
    ContactError, Event, IdentityError, KeyWarning, Relation, SendError, read_card,
)


def test_a_new_node_has_an_address_and_a_card_that_others_can_read(home):
    async def card():
        async with start(home) as node:
            await node.set_name("Ada")
            owner = read_card(await node.card())
            assert owner.address == await node.address() and len(owner.address) == 56
            assert (owner.name, await node.name()) == ("Ada", "Ada")
            assert owner.expires_ms > 0

    run(card())


def test_a_card_is_drawn_as_a_qr_code(home):
    async def draw():
        async with start(home) as node:
            picture = await node.card_qr(module_pixels=2)
            side, pixels = picture.side, picture.bytes
            assert len(pixels) == side * side and set(pixels) == {0, 255}
            rows = [pixels[at : at + side] for at in range(0, len(pixels), side)]
            margin = 4 * 2
            assert set(rows[0]) == {255} and {row[0] for row in rows} == {255}
            # The corner of a finder: seven dark modules, and one that is light.
            assert set(rows[margin][margin : margin + 14]) == {0}
            assert set(rows[margin][margin + 14 : margin + 16]) == {255}
            assert side > (await node.card_qr(module_pixels=1)).side

    run(draw())


def test_a_stranger_asks_first_and_is_accepted_or_blocked(home):
    async def knock():
        alice = start(home / "alice")
        bob = start(home / "bob", peers=[alice.listen_address()])
        async with alice, bob:
            bobs = await introduce(alice, bob, "Bob")
            await alice.send_text(bobs, "it is me")
            stranger = (await event(bob, Event.is_REQUESTED)).contact
            assert (await bob.contact(stranger)).relation == Relation.REQUEST
            with pytest.raises(SendError.NotAccepted):
                await bob.send_text(stranger, "who?")
            await bob.accept_request(stranger)
            await bob.send_text(stranger, "come in")
            assert text(await received(alice)) == "come in"
            with pytest.raises(ContactError.NoRequest):
                await bob.decline_request(stranger)
            await bob.block_contact(stranger)
            assert (await bob.contact(stranger)).relation == Relation.BLOCKED

    run(knock())


def test_a_contact_is_renamed_muted_verified_and_removed(home):
    async def change():
        async with pair(home) as (alice, bob, bobs, alices):
            assert await alice.safety_number(bobs) == await bob.safety_number(alices)
            await alice.rename_contact(bobs, "Robert")
            await alice.mute_contact(bobs, True)
            await alice.verify_contact(bobs)
            contact = await alice.contact(bobs)
            assert (contact.name, contact.muted, contact.verified) == ("Robert", True, True)
            await alice.remove_contact(bobs)
            assert await alice.contacts() == []
            with pytest.raises(ContactError.Unknown, match="no such contact"):
                await alice.contact(bobs)

    run(change())


def test_an_identity_is_rotated_revoked_and_ended_with_the_words(home):
    async def change():
        async with start(home / "alice") as alice:
            first = " ".join(await alice.create_words())
            with pytest.raises(IdentityError.WordsExist):
                await alice.create_words()
            words = " ".join(await alice.replace_words(first))
            async with start(home / "bob", peers=[alice.listen_address()]) as bob:
                bobs = await introduce(alice, bob, "Bob")
                alices = await introduce(bob, alice, "Alice")
                await bob.verify_contact(alices)

                async def follows():
                    return (await bob.contact(alices)).address == await alice.address()

                old = await alice.address()
                await alice.rotate_identity(words)
                assert await alice.address() != old
                await until(follows)
                contact = await bob.contact(alices)
                assert contact.verified and contact.warning is None
                with pytest.raises(IdentityError.WrongWords):
                    await alice.revoke_identity(first)
                await alice.revoke_identity(words)
                await until(follows)
                await alice.end_identity(words)
                assert await alice.has_ended()
                with pytest.raises(SendError.Ended):
                    await alice.send_text(bobs, "too late")
                told = await event(bob, Event.is_KEY_WARNING)
                assert (told.contact, told.warning) == (alices, KeyWarning.REVOKED)

    run(change())
