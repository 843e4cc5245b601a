"""What a strict type checker must know of the package. Only checked, never run."""

import asyncio

from footpost import Config, Content, DeliveryState, Event, Footpost, Message, SendError, Vault


async def main() -> None:
    async with Footpost.open(Config(directory="footpost"), Vault.OPEN()) as node:
        contact: int = await node.add_contact("footpost:", "Bob")
        try:
            message: int = await node.send_text(contact, "hello")
        except SendError.TooLong as error:
            excess: int = error.excess_bytes
            print(excess, error.explanation())
            return
        page: list[Message] = await node.messages(contact=contact, limit=10)
        for shown in page:
            if isinstance(shown.content, Content.TEXT):
                words: str = shown.content.text
                print(words, shown.state is DeliveryState.READ)
        event: Event | None = await node.next_event()
        if isinstance(event, Event.PROGRESS):
            reached: bool = event.message == message
            print(reached)


asyncio.run(main())
