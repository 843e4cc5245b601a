package your.messenger

import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.launch
import org.footpost.*

/** What your messenger asks when its server is out of reach. */
class Mesh(directory: String, keystore: Keystore, private val scope: CoroutineScope) {
    private val node = Footpost.open(Config(directory = directory), Vault.Keystore(keystore))

    fun run(show: (contact: Long, text: String) -> Unit, progress: (Long, DeliveryState) -> Unit) =
        scope.launch {
            node.events.collect { event ->
                when (event) {
                    is Event.Received -> node.message(event.message)?.let { message ->
                        (message.content as? Content.Text)?.let { show(message.contact, it.text) }
                    }
                    is Event.Progress -> progress(event.message, event.state)
                    else -> {}
                }
            }
        }

    suspend fun send(card: String, name: String, text: String): Long =
        node.sendText(node.addContact(card, name), text)

    suspend fun stop() = node.shutdown()
}
