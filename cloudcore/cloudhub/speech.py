"""Messages as text, one after the other."""

from __future__ import annotations

from viaduct.codec import encode
from viaduct.message import Message


class Speech:
    """Makes the text of a message that goes to ten thousand nodes once: they are told of a change one right after the other."""

    def __init__(self) -> None:
        self._message: Message | None = None
        self._text = ""

    def text(self, message: Message) -> str:
        if message is not self._message:
            self._text = encode(message)
            self._message = message
        return self._text
