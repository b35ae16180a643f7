"""What both shores agree on: messages, resources, delivery rules, topics, device payloads.

Standard library only; nothing in here does I/O or reads a clock. Clause numbers (``P1.2``) refer to docs/protocol.md.
"""

__version__ = "0.1.0"
