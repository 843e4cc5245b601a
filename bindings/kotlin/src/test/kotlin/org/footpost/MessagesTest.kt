package org.footpost

import java.nio.file.Path
import kotlin.io.path.readBytes
import kotlin.io.path.writeBytes
import org.junit.jupiter.api.Assertions.assertArrayEquals
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertNull
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.assertThrows
import org.junit.jupiter.api.io.TempDir

/** What is said. */
class MessagesTest {
    @Test
    fun application_bytes_arrive_with_their_content_type(@TempDir home: Path) = onNodes {
        pair(home) {
            val reading = ByteArray(256) { n -> n.toByte() }
            val sent = it.alice.sendBytes(it.bobs, "application/octet-stream", reading, Priority.LOW)
            val content = it.bob.received().content as Content.Application
            assertEquals("application/octet-stream", content.contentType)
            assertArrayEquals(reading, content.bytes)
            it.alice.reaches(sent, DeliveryState.DELIVERED)
        }
    }

    @Test
    fun messages_come_page_by_page_and_are_found_by_their_words(@TempDir home: Path) = onNodes {
        pair(home) {
            val said = (0..<25).map { n -> "message $n" } + "Über die BRÜCKE"
            said.forEach { words -> it.alice.sendText(it.bobs, words) }
            val read = ArrayDeque<String>()
            val pages = mutableListOf<Int>()
            var before: Long? = null
            while (true) {
                val page = it.alice.messages(contact = it.bobs, before = before, limit = 10u)
                before = page.firstOrNull()?.id ?: break
                pages += page.size
                page.reversed().forEach { message -> read.addFirst(message.text) }
            }
            assertEquals(listOf(10, 10, 6) to said, pages to read.toList())
            val found = it.alice.search("über die brücke")
            assertEquals(listOf("Über die BRÜCKE"), found.messages.map { message -> message.text })
            assertNull(found.before)
        }
    }

    @Test
    fun conversations_show_the_newest_message_and_what_is_unseen(@TempDir home: Path) = onNodes {
        pair(home) {
            assertTrue(it.bob.conversations().isEmpty())
            val last = listOf("one", "two").map { words ->
                it.alice.sendText(it.bobs, words)
                it.bob.received()
            }.last()
            val shown = it.bob.conversations().single()
            assertEquals(Triple(it.alices, "two", 2u), Triple(shown.contact, shown.last.text, shown.unseen))
            it.bob.markSeen(last.id)
            val seen = it.bob.conversations().single()
            assertEquals(DeliveryState.SEEN to 1u, seen.last.state to seen.unseen)
        }
    }

    @Test
    fun a_writer_learns_that_a_message_was_read_if_its_reader_wants_that(@TempDir home: Path) = onNodes {
        pair(home) {
            it.bob.setReadReceipts(true)
            val sent = it.alice.sendText(it.bobs, "did you see?")
            it.bob.markSeen(it.bob.received().id)
            it.alice.reaches(sent, DeliveryState.READ)
        }
    }

    @Test
    fun a_file_travels_with_its_progress_and_is_saved_whole(@TempDir home: Path) = onNodes {
        pair(home) {
            val (path, copy) = home.resolve("map") to home.resolve("copy")
            val content = ByteArray(251_000) { n -> (n % 251).toByte() }
            path.writeBytes(content)
            val sent = it.alice.sendFile(it.bobs, path.toString(), "map.png", "image/png")
            val message = it.bob.received()
            assertEquals(Content.File("map.png", "image/png", 251_000u), message.content)
            if (!message.transfer!!.isWhole) it.bob.event<Event.AttachmentWhole>()
            it.bob.saveFile(message.id, copy.toString())
            assertArrayEquals(content, copy.readBytes())
            it.alice.reaches(sent, DeliveryState.DELIVERED)
            assertTrue(it.alice.message(sent)!!.transfer!!.isWhole)
            assertThrows<AttachmentException.Unwritable> { it.bob.saveFile(message.id, copy.toString()) }
            assertThrows<AttachmentException.Outgoing> { it.alice.saveFile(sent, home.resolve("own").toString()) }
        }
    }

    @Test
    fun a_bulletin_reaches_everybody_and_a_followed_publisher_is_announced(@TempDir home: Path) = onNodes {
        pair(home) {
            it.bob.follow(it.alice.address())
            val draft = BulletinDraft("boil the water", BulletinKind.ALERT, 86400u, region = "u33d")
            val number = it.alice.publish(draft)
            val told = it.bob.event<Event.Bulletin>()
            assertEquals(it.alice.address() to number, told.publisher to told.number)
            val shown = it.bob.bulletins(BulletinFilter(region = "u33")).single()
            assertEquals("boil the water" to BulletinKind.ALERT, shown.text to shown.kind)
            assertTrue(it.bob.bulletins(BulletinFilter(topic = "roads")).isEmpty())
            assertEquals(listOf(Publisher(told.publisher, Stance.FOLLOWED)), it.bob.publishers())
            it.bob.mute(told.publisher)
            assertTrue(it.bob.bulletins(BulletinFilter()).isEmpty())
            it.bob.unfollow(told.publisher)
            assertTrue(it.bob.publishers().isEmpty())
            assertThrows<BulletinException.UnknownPublisher> { it.bob.follow("nobody") }
        }
    }
}
