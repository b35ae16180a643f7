"""The first boot of an SD card: from the files that a person laid on its FAT partition to a board that is set up (docs/sd-card.md).

``settings`` and ``imager`` say what the files mean, ``sources`` what they mean together, ``documents`` what is written for them; all
pure. ``partition`` and ``board`` are the doors, ``commands``, ``joincommands`` and ``paircommands`` the loops.
"""
