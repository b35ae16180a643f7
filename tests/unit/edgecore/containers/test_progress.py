"""How far a pull has come, out of reports as Podman 4.3 and 5 write them."""

from __future__ import annotations

from typing import Any

import pytest

from edgecore.containers.progress import Fetched, Layers, PullBoard, size_text


def begun(name: str) -> dict[str, Any]:
    return {"status": "Pulling fs layer", "progressDetail": {}, "id": name}


def at(name: str, current: Any, total: Any = 100) -> dict[str, Any]:
    return {"status": "Downloading", "progressDetail": {"current": current, "total": total}, "id": name}


def complete(name: str) -> dict[str, Any]:
    return {"status": "Download complete", "progressDetail": {}, "id": name}


def heard(*reports: dict[str, Any]) -> Layers:
    layers = Layers()
    for report in reports:
        layers.hear(report)
    return layers


def test_layers_are_added_up_and_those_that_were_here_do_not_count() -> None:
    here = {"status": "Already exists", "progressDetail": {}, "id": "old"}
    layers = heard(here, begun("a"), begun("b"), at("a", 50), at("b", 25, 300), complete("a"))
    assert layers.fetched == Fetched(125, 400, 1)
    assert layers.under_way
    layers.hear(complete("b"))
    assert layers.fetched == Fetched(400, 400, 2)
    assert not layers.under_way


def test_before_the_first_layer_nothing_is_under_way() -> None:
    assert not heard({"status": "Trying to pull"}, {"stream": "x"}).under_way


def test_a_layer_that_begins_again_is_not_complete_any_more() -> None:
    layers = heard(begun("a"), at("a", 90), complete("a"), at("a", 10))
    assert (layers.fetched, layers.under_way) == (Fetched(10, 100, 0), True)


@pytest.mark.parametrize("detail", [None, [], {}, {"current": "x", "total": -1}, {"current": True, "total": 1.5}])
def test_a_size_that_is_none_counts_as_unknown(detail: Any) -> None:
    assert heard({"status": "Downloading", "progressDetail": detail, "id": "a"}).fetched == Fetched(0, 0, 0)


def test_how_far_it_is_is_said_in_a_few_words() -> None:
    assert Fetched(31_080_000, 84_000_000).text == "Pulling 37 % of 84 MB"
    assert Fetched().text == "Pulling"
    assert [size_text(size) for size in (999, 1_500, 9_999_999, 1_234_000_000)] == ["999 B", "1.5 kB", "10.0 MB", "1.2 GB"]


def test_the_board_shows_what_is_under_way_and_nothing_else() -> None:
    board = PullBoard()
    board.note("a", Fetched(1, 2))
    board.note("b", Fetched())
    board.wipe("b")
    board.wipe("c")
    assert board.read() == {"a": Fetched(1, 2)}
