"""What a program says of itself: to the service manager that started it (nothing where there is none), and in its log.

Standard library only, but for ``loops``, the event loop of the programs that are servers.
"""
