package org.footpost

import java.nio.file.Path
import kotlin.time.Duration.Companion.milliseconds
import kotlinx.coroutines.async
import kotlinx.coroutines.awaitAll
import kotlinx.coroutines.CancellationException
import kotlinx.coroutines.coroutineScope
import kotlinx.coroutines.delay
import kotlinx.coroutines.flow.toList
import kotlinx.coroutines.launch
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertNull
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.io.TempDir

/** What happens comes as events, to whoever pulls them. */
class EventsTest {
    @Test
    fun a_cancelled_wait_loses_no_event(@TempDir home: Path) = onNodes {
        pair(home) {
            val wanted = 300
            it.bob.shutdown()
            val seen = mutableListOf<Long>()
            coroutineScope {
                launch { repeat(wanted) { _ -> it.alice.sendText(it.bobs, "x") } }
                while (seen.size < wanted) {
                    val waiting = async { it.alice.waitForEvent() }
                    // Cancelled before, while and after the event comes.
                    delay((seen.size % 4).milliseconds)
                    waiting.cancel()
                    try {
                        waiting.await()
                    } catch (_: CancellationException) {
                    }
                    (it.alice.takeEvent() as? Event.Progress)?.let { event -> seen += event.message }
                }
            }
            assertEquals(seen.toSortedSet().toList(), seen)
            assertEquals(wanted, seen.size)
        }
    }

    @Test
    fun ten_thousand_events_pass_without_a_leak(@TempDir home: Path) = onNodes {
        pair(home) {
            it.bob.shutdown()
            suspend fun thousands(count: Int) = repeat(count / 100) { _ ->
                coroutineScope { List(100) { _ -> async { it.alice.sendText(it.bobs, "x") } }.awaitAll() }
                var taken = 0
                while (taken < 100) if (it.alice.nextEvent() is Event.Progress) taken++
            }
            thousands(1000)
            val before = usedBytes()
            thousands(10_000)
            // Some hundred bytes an event would be a leak; the heap of a virtual machine is never still.
            assertTrue(usedBytes() - before < 4_000_000)
            assertEquals(0, uniffiContinuationHandleMap.size)
        }
    }

    private fun usedBytes(): Long {
        repeat(3) { System.gc() }
        return Runtime.getRuntime().run { totalMemory() - freeMemory() }
    }

    @Test
    fun events_end_when_the_node_stops(@TempDir home: Path) = onNodes {
        val node = start(home)
        coroutineScope {
            val collected = async { node.events.toList() }
            delay(10.milliseconds)
            node.shutdown()
            collected.await()
        }
        assertNull(node.nextEvent())
        assertNull(node.takeEvent())
    }
}
