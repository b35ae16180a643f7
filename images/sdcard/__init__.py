"""The image of an SD card for a Raspberry Pi, from Debian's archive and our packages (docs/sd-card.md, decisions 0150 to 0154).

``recipe`` says what is in it, ``sbom`` writes that down, ``files`` is laid over the root, ``build`` makes it: ``make image ARCH=arm64``.
"""
