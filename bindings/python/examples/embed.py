import asyncio
from footpost import Config, Content, Event, Footpost, Vault


class Mesh:
    """What your messenger asks when its server is out of reach."""

    def __init__(self, directory: str, passphrase: str) -> None:
        self.node = Footpost.open(Config(directory=directory), Vault.PASSPHRASE(passphrase))

    async def send(self, card: str, name: str, text: str) -> int:
        contact = await self.node.add_contact(card, name)
        return await self.node.send_text(contact, text)

    async def run(self) -> None:
        async with self.node:
            async for event in self.node.events():
                if isinstance(event, Event.RECEIVED):
                    message = await self.node.message(event.message)
                    if message and isinstance(message.content, Content.TEXT):
                        print(message.contact, message.content.text)
                elif isinstance(event, Event.PROGRESS):
                    print(event.message, event.state.name)


if __name__ == "__main__":
    asyncio.run(Mesh("mesh", "correct horse").run())
