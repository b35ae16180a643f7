from __future__ import annotations

from cloudcore.devicecontroller.bindings import Bindings, Handover

A, B = ("a", "lamp"), ("b", "lamp")


def test_a_device_belongs_to_one_node() -> None:
    bindings = Bindings()
    assert bindings.place(A, "edge1", "T1") == [Handover("edge1", None, A)]
    assert bindings.place(A, "edge1", "T1") == []
    assert bindings.served_by("edge1") == [A]
    assert bindings.named("edge1", "lamp") == A


def test_a_device_that_moves_arrives_before_it_leaves() -> None:
    bindings = Bindings()
    bindings.place(A, "edge1", "T1")
    assert bindings.place(A, "edge2", "T1") == [Handover("edge2", None, A), Handover("edge1", A, None)]
    assert bindings.served_by("edge1") == []


def test_of_two_devices_of_one_name_the_older_is_served_whoever_came_first() -> None:
    bindings = Bindings()
    bindings.place(B, "edge1", "T2")
    assert bindings.place(A, "edge1", "T1") == [Handover("edge1", B, A)]
    assert not bindings.serves("edge1", B)
    assert bindings.place(A, "", "") == [Handover("edge1", A, B)]
    assert bindings.serves("edge1", B)
    assert bindings.place(B, "", "") == [Handover("edge1", B, None)]


def test_one_name_on_two_nodes_is_no_conflict() -> None:
    bindings = Bindings()
    bindings.place(A, "edge1", "T1")
    assert bindings.place(B, "edge2", "T1") == [Handover("edge2", None, B)]
