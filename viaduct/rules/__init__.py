"""Rules on the board (P8): the small language of their conditions, and what a DeviceRule says. Pure; both shores read rules with it."""
