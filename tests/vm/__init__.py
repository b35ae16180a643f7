"""A virtual machine with Debian's kernel and systemd: what a container or a tree in namespaces cannot show."""
