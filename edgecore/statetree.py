"""What ``modules.eventbus.stateTree`` and ``homeAssistant`` come to for the two modules that share them (P6.9, P6.10).

DeviceTwin says what is retained, EventBus where it is and what people may say. What is off is not imported: memory is what a board lacks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgecore.config import EventBus
from viaduct import __version__
from viaduct.tree import Tree

if TYPE_CHECKING:
    from edgecore.devicetwin.homeassistant import HomeAssistant
    from edgecore.devicetwin.showing import Showing
    from edgecore.eventbus.settings import Retaining


def showing(config: EventBus, node: str) -> Showing | None:
    """For DeviceTwin; None where nobody is to see anything."""
    if not (config.enable and config.state_tree.enable):
        return None
    from edgecore.devicetwin.showing import Showing

    return Showing(Tree(config.state_tree.root, node), _home_assistant(config))


def retaining(config: EventBus, node: str) -> Retaining | None:
    """For EventBus."""
    if not config.state_tree.enable:
        return None
    from edgecore.eventbus.settings import Retaining

    tree, told = Tree(config.state_tree.root, node), _home_assistant(config)
    if told is None:
        return Retaining(tree.status, (tree.set_filter,), (tree.prefix,))
    return Retaining(tree.status, (tree.set_filter, told.status), (tree.prefix, told.all_of(node)))


def _home_assistant(config: EventBus) -> HomeAssistant | None:
    if not config.home_assistant.enable:
        return None
    from edgecore.devicetwin.homeassistant import HomeAssistant

    return HomeAssistant(config.home_assistant.discovery_prefix, config.home_assistant.status_topic, __version__)
