"""What edged relies on in a container engine: the one in memory and real Podman keep the same promises."""

from __future__ import annotations

import os
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from edgecore.containers import labels
from edgecore.containers.model import Container, ContainerSpec, Executed, Network, SandboxSpec, State
from edgecore.containers.runtime import Runtime
from edgecore.errors import EngineError, ExecTimeout, ImageMissing, ImagePullError
from tests.fakes.podman import BUSYBOX, ENDS_WHEN_ASKED, Podman
from tests.fakes.runtime import FakeRuntime


@dataclass
class Subject:
    runtime: Runtime
    image: str
    instance: str
    uid: str

    def spec(self, name: str = "c", *words: str, **fields: Any) -> ContainerSpec:
        fields = {"network": Network(hostname="h"), **fields}
        return ContainerSpec(
            name=f"{self.uid}-{name}",
            image=fields.pop("image", self.image),
            labels=(*self.labels, (labels.CONTAINER, name)),
            entrypoint=words or ENDS_WHEN_ASKED,
            arguments=(),
            **fields,
        )

    @property
    def labels(self) -> tuple[tuple[str, str], ...]:
        return labels.pod_labels(instance=self.instance, uid=self.uid, namespace="default", name="p")

    def run(self, *words: str, **fields: Any) -> str:
        made = self.runtime.create(self.spec("c", *words, **fields))
        self.runtime.start(made)
        return made

    def look(self, container: str) -> Container:
        found = self.runtime.look(container)
        assert found is not None
        return found


@pytest.fixture(scope="module")
def podman() -> Iterator[Podman]:
    made = Podman()
    yield made
    made.close()


@pytest.fixture(params=["memory", pytest.param("podman", marks=pytest.mark.system)])
def subject(request: pytest.FixtureRequest) -> Iterator[Subject]:
    uid = uuid.uuid4().hex[:12]
    if request.param == "memory":
        yield Subject(FakeRuntime(), "localhost/web:1", "board", uid)
        return
    real: Podman = request.getfixturevalue("podman")
    made = Subject(real.runtime, real.image, real.instance, uid)
    yield made
    for container in real.runtime.containers(uid):
        real.runtime.remove(container.id)
    for sandbox in real.runtime.sandboxes(uid):
        real.runtime.remove_sandbox(sandbox.id)


def wait_for(claim: Callable[[], Any], limit: float = 10.0) -> None:
    deadline = time.monotonic() + limit
    while not claim():
        assert time.monotonic() < deadline, "not in time"
        time.sleep(0.02)


def test_a_container_runs_when_it_is_started_and_has_an_address(subject: Subject) -> None:
    before = time.time() - 2
    made = subject.runtime.create(subject.spec())
    assert [(c.id, c.state) for c in subject.runtime.containers(subject.uid)] == [(made, State.CREATED)]
    subject.runtime.start(made)
    running = subject.look(made)
    assert (running.state, running.label(labels.POD_UID), running.label(labels.CONTAINER)) == (State.RUNNING, subject.uid, "c")
    assert running.address.count(".") == 3 and running.started >= before and running.image_id


def test_an_end_is_told_with_its_code(subject: Subject) -> None:
    made = subject.run("/bin/sh", "-c", "exit 3")
    wait_for(lambda: subject.look(made).state is State.ENDED)
    ended = subject.look(made)
    assert (ended.exit_code, ended.oom_killed) == (3, False)
    assert ended.finished > 0
    assert subject.runtime.containers(subject.uid)[0].state is State.ENDED


def test_stopping_and_removing_can_be_said_twice_and_of_what_is_gone(subject: Subject) -> None:
    made = subject.run()
    for _ in range(2):
        subject.runtime.stop(made, 5)
        assert subject.look(made).state is State.ENDED
    for _ in range(2):
        subject.runtime.remove(made)
        assert subject.runtime.look(made) is None
    subject.runtime.stop(made, 1)
    assert subject.runtime.containers(subject.uid) == []


def test_an_address_can_be_had_again(subject: Subject) -> None:
    first = subject.run()
    address = subject.look(first).address
    subject.runtime.stop(first, 5)
    subject.runtime.remove(first)
    assert subject.look(subject.run(network=Network(address=address))).address == address


def test_an_image_that_is_not_here_is_said_to_be_missing(subject: Subject) -> None:
    assert subject.runtime.image("localhost/no-such-image:1") == ""
    assert subject.runtime.image(subject.image)
    with pytest.raises(ImageMissing):
        subject.runtime.create(subject.spec(image="localhost/no-such-image:1"))
    with pytest.raises(ImagePullError, match=r"127\.0\.0\.1:1/none:1"):
        subject.runtime.pull("127.0.0.1:1/none:1", credentials="", stall=30, heard=print)


def test_a_command_in_a_container_has_an_output_and_an_exit_code(subject: Subject) -> None:
    if isinstance(subject.runtime, FakeRuntime):
        subject.runtime.commands = lambda words: Executed(3, b"out\nerr\n")
    made = subject.run()
    done = subject.runtime.exec(made, ["/bin/sh", "-c", "echo out; sleep 0.1; echo err >&2; exit 3"], timeout=20)
    assert (done.exit_code, done.output) == (3, b"out\nerr\n")
    subject.runtime.stop(made, 5)
    with pytest.raises(EngineError):
        subject.runtime.exec(made, ["/bin/true"], timeout=20)


@pytest.mark.system
def test_a_command_that_hangs_is_killed_when_its_time_is_over(podman: Podman) -> None:
    made = Subject(podman.runtime, podman.image, podman.instance, uuid.uuid4().hex[:12])
    container = made.run()
    for words in (["/bin/sleep", "999"], ["/bin/sh", "-c", "while :; do echo y; done"]):
        with pytest.raises(ExecTimeout):
            podman.runtime.exec(container, words, timeout=1)
    shown = podman.runtime.exec(container, ["/bin/ps", "-o", "args"], timeout=20).output.decode()
    assert "999" not in shown and "echo y" not in shown
    podman.runtime.remove(container)


def test_images_here_are_listed_with_name_and_size(subject: Subject) -> None:
    (found,) = [image for image in subject.runtime.images() if subject.image in image.names]
    assert found.id == subject.runtime.image(subject.image) and found.size > 0
    subject.runtime.remove_image("0" * 64)


def test_a_volume_is_made_once_and_found_by_its_name(subject: Subject) -> None:
    name = f"bramble-test-{subject.uid}"
    assert subject.runtime.volume(name) == ""
    place = subject.runtime.make_volume(name, labels.claim_labels(instance=subject.instance, namespace="default", claim="c"))
    assert subject.runtime.volume(name) == place and Path(place).is_dir()


@pytest.mark.system
def test_memory_in_use_is_told_by_pod_where_the_kernel_counts_it(podman: Podman) -> None:
    made = Subject(podman.runtime, podman.image, podman.instance, uuid.uuid4().hex[:12])
    container = made.run()
    used = podman.runtime.memory()
    assert made.uid in used and used[made.uid] >= 0
    podman.runtime.remove(container)


@pytest.mark.system
def test_an_archive_of_images_is_loaded_and_what_is_none_is_refused(podman: Podman, tmp_path: Path) -> None:
    archive, name = tmp_path / "images.tar", f"{podman.image.rpartition(':')[0]}:loaded"
    podman.run("tag", podman.image, name)
    podman.run("save", "-q", "-o", str(archive), name)
    podman.run("untag", podman.image, name)
    assert podman.runtime.image(name) == ""
    assert podman.runtime.load(archive) == [name]
    assert podman.runtime.image(name)
    podman.run("untag", podman.image, name)
    archive.write_text("no archive")
    with pytest.raises(EngineError):
        podman.runtime.load(archive)


@pytest.mark.system
def test_an_image_with_a_file_that_a_power_cut_emptied_is_not_whole_until_it_is_removed_and_loaded(podman: Podman, tmp_path: Path) -> None:
    archive, name, busybox = tmp_path / "images.tar", f"{podman.image.rpartition(':')[0]}:spoilt", tmp_path / "busybox"
    busybox.write_bytes(Path(BUSYBOX).read_bytes() + os.urandom(100))
    (tmp_path / "Containerfile").write_text("FROM scratch\nCOPY busybox /spoilt\n")
    podman.run("build", "-q", "-t", name, str(tmp_path))
    podman.run("save", "-q", "-o", str(archive), name)
    assert podman.runtime.is_whole(name)
    layer = Path(podman.run("image", "inspect", "--format", "{{.GraphDriver.Data.UpperDir}}", name))
    (layer / "spoilt").write_bytes(b"")
    assert not podman.runtime.is_whole(name)
    podman.runtime.load(archive)
    assert not podman.runtime.is_whole(name)
    podman.runtime.remove_image(name)
    podman.runtime.load(archive)
    assert podman.runtime.is_whole(name)
    podman.runtime.remove_image(name)


def test_a_name_is_given_once(subject: Subject) -> None:
    subject.runtime.create(subject.spec())
    with pytest.raises(EngineError, match="already in use"):
        subject.runtime.create(subject.spec())


def test_containers_of_a_sandbox_share_its_address_and_go_with_it(subject: Subject) -> None:
    sandbox = subject.runtime.create_sandbox(SandboxSpec(f"{subject.uid}-pod", subject.labels, Network(hostname="h")))
    assert [(s.id, s.ready) for s in subject.runtime.sandboxes(subject.uid)] == [(sandbox, True)]
    made = [subject.runtime.create(subject.spec(name, network=None, sandbox=sandbox)) for name in ("a", "b")]
    for container in made:
        subject.runtime.start(container)
    assert {subject.look(c).address for c in made} == {subject.runtime.sandbox_address(sandbox)}
    assert len(subject.runtime.containers(subject.uid)) == 2
    for _ in range(2):
        subject.runtime.remove_sandbox(sandbox)
    assert subject.runtime.containers(subject.uid) == [] and subject.runtime.sandboxes(subject.uid) == []


def test_deaths_and_removals_are_told_as_they_happen(subject: Subject) -> None:
    told: list[tuple[str, str]] = []
    opened = threading.Event()

    def listen() -> None:
        for happening in subject.runtime.happenings():
            if happening is None:
                opened.set()
            elif happening.labels.get(labels.POD_UID) == subject.uid:
                told.append((happening.container, happening.action))
                if happening.action == "remove":
                    return

    threading.Thread(target=listen, daemon=True).start()
    assert opened.wait(5)
    made = subject.run("/bin/sh", "-c", "exit 0")
    wait_for(lambda: (made, "died") in told)
    subject.runtime.remove(made)
    wait_for(lambda: (made, "remove") in told)
