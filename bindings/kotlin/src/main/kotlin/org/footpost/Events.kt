package org.footpost

import kotlinx.coroutines.flow.Flow
import kotlinx.coroutines.flow.flow

/**
 * The next event; null once the node has stopped and all were taken.
 *
 * Who is cancelled while waiting has lost none.
 */
suspend fun Footpost.nextEvent(): Event? {
    while (waitForEvent()) takeEvent()?.let { return it }
    return null
}

/**
 * What happens, until the node stops. Each event goes to one collector: share the flow where there
 * are to be several.
 */
val Footpost.events: Flow<Event>
    get() = flow { while (true) emit(nextEvent() ?: break) }
