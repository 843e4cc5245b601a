"""What is said."""

import pytest
from conftest import event, pair, reaches, received, run, start, text
from footpost import (
    AttachmentError,
    BulletinDraft,
    BulletinError,
    BulletinFilter,
    BulletinKind,
    Content,
    DeliveryState,
    Event,
    Priority,
    Stance,
)


def test_application_bytes_arrive_with_their_content_type(home):
    async def send():
        async with pair(home) as (alice, bob, bobs, _):
            reading = bytes(range(256))
            sent = await alice.send_bytes(bobs, "application/octet-stream", reading, Priority.LOW)
            content = (await received(bob)).content
            assert content == Content.APPLICATION("application/octet-stream", reading)
            await reaches(alice, sent, DeliveryState.DELIVERED)

    run(send())


def test_messages_come_page_by_page_and_are_found_by_their_words(home):
    async def read():
        async with pair(home) as (alice, _, bobs, __):
            said = [f"message {n}" for n in range(25)] + ["Über die BRÜCKE"]
            for words in said:
                await alice.send_text(bobs, words)
            pages, before = [], None
            while page := await alice.messages(contact=bobs, before=before, limit=10):
                pages.append(len(page))
                assert [text(message) for message in page] == said[-len(page) :]
                said = said[: -len(page)]
                before = page[0].id
            assert pages == [10, 10, 6] and said == []
            found = await alice.search("über die brücke")
            assert [text(message) for message in found.messages] == ["Über die BRÜCKE"]
            assert found.before is None

    run(read())


def test_conversations_show_the_newest_message_and_what_is_unseen(home):
    async def show():
        async with pair(home) as (alice, bob, bobs, alices):
            assert await bob.conversations() == []
            for words in ("one", "two"):
                await alice.send_text(bobs, words)
                last = await received(bob)
            [shown] = await bob.conversations()
            assert (shown.contact, text(shown.last), shown.unseen) == (alices, "two", 2)
            await bob.mark_seen(last.id)
            [shown] = await bob.conversations()
            assert (shown.last.state, shown.unseen) == (DeliveryState.SEEN, 1)

    run(show())


def test_a_writer_learns_that_a_message_was_read_if_its_reader_wants_that(home):
    async def read():
        async with pair(home) as (alice, bob, bobs, _):
            await bob.set_read_receipts(True)
            sent = await alice.send_text(bobs, "did you see?")
            await bob.mark_seen((await received(bob)).id)
            await reaches(alice, sent, DeliveryState.READ)

    run(read())


def test_a_file_travels_with_its_progress_and_is_saved_whole(home):
    async def travel():
        async with pair(home) as (alice, bob, bobs, _):
            path, copy, content = home / "map", home / "copy", bytes(range(251)) * 1000
            path.write_bytes(content)
            sent = await alice.send_file(bobs, str(path), "map.png", "image/png")
            message = await received(bob)
            assert message.content == Content.FILE("map.png", "image/png", len(content))
            if not message.transfer.is_whole:
                await event(bob, Event.is_ATTACHMENT_WHOLE)
            await bob.save_file(message.id, str(copy))
            assert copy.read_bytes() == content
            await reaches(alice, sent, DeliveryState.DELIVERED)
            transfer = (await alice.message(sent)).transfer
            assert transfer.is_whole and transfer.needed >= len(content) // 8192
            with pytest.raises(AttachmentError.Unwritable):
                await bob.save_file(message.id, str(copy))
            with pytest.raises(AttachmentError.Outgoing):
                await alice.save_file(sent, str(home / "own"))

    run(travel())


def test_a_bulletin_reaches_everybody_and_a_followed_publisher_is_announced(home):
    async def publish():
        async with pair(home) as (alice, bob, _, __):
            await bob.follow(await alice.address())
            draft = BulletinDraft(
                text="boil the water", kind=BulletinKind.ALERT, lifetime_s=86400, region="u33d"
            )
            number = await alice.publish(draft)
            told = await event(bob, Event.is_BULLETIN)
            assert (told.publisher, told.number) == (await alice.address(), number)
            [shown] = await bob.bulletins(BulletinFilter(region="u33"))
            assert (shown.text, shown.kind) == ("boil the water", BulletinKind.ALERT)
            assert await bob.bulletins(BulletinFilter(topic="roads")) == []
            [publisher] = await bob.publishers()
            assert (publisher.address, publisher.stance) == (told.publisher, Stance.FOLLOWED)
            await bob.mute(told.publisher)
            assert await bob.bulletins(BulletinFilter()) == []
            await bob.unfollow(told.publisher)
            assert await bob.publishers() == []
            with pytest.raises(BulletinError.UnknownPublisher):
                await bob.follow("nobody")

    run(publish())
