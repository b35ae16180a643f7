"""What a program says of itself: to the service manager that started it (nothing where there is none), in its log, and, where it is a
kubelet, of what its node and pods use.

Standard library only, but for ``loops``, the event loop of the programs that are servers.
"""
