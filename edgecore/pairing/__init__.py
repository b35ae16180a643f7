"""How a board without a token finds its site and is let in (P2.12, P2.13): a code on the board, typed in at the site.

``course`` decides when to ask whom and when a code is over; ``exchange`` (spake2) and ``sites`` (zeroconf) are doors, as is
``certs.enrolmentlink`` to the site's port; ``asking`` is the loop, ``commands`` the command line.
"""
