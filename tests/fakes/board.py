"""A board that is a folder, with programs that say what a test wants."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from edgecore.doctor.board import Board, Ran
from edgecore.doctor.case import Case

CONFIG = Path("/etc/kubeedge/config/edgecore.yaml")
_HEAD = "apiVersion: edgecore.config.kubeedge.io/v1alpha1\nkind: EdgeCore\n"


class FakeBoard(Board):
    """``programs``: a command line to what it prints; ``ran`` has those that were run. A file in /bin is run as it is."""

    def __init__(
        self, root: Path, *, programs: Mapping[str, str] | None = None, is_root: bool = True, now: float = 1_800_000_000.0
    ) -> None:
        super().__init__(root)
        self.programs = dict(programs or {})
        self.ran: list[str] = []
        self._is_root = is_root
        self._now = now

    def lay(self, files: Mapping[str, str]) -> FakeBoard:
        for path, text in files.items():
            place = self.place(path)
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(text)
        return self

    def program(self, name: str) -> str:
        return f"/bin/{name}" if any(line.split()[0] == name for line in self.programs) else ""

    def run(self, *command: str, timeout: float = 8.0, environment: Mapping[str, str] | None = None) -> Ran:
        line = " ".join(command)
        self.ran.append(line)
        if line in self.programs:
            return Ran(0, self.programs[line])
        if Path(command[0]).is_relative_to(self.root):
            return super().run(*command, timeout=timeout, environment=environment)
        return Ran(127, "", "No such file or directory")

    def is_root(self) -> bool:
        return self._is_root

    def now(self) -> float:
        return self._now

    def kernel(self) -> str:
        return "6.6.51-v8"


def case_of(board: FakeBoard, config: str | None = None) -> Case:
    """``config``: YAML below the head; None: there is none."""
    if config is not None:
        board.lay({str(CONFIG): _HEAD + config})
    return Case(board, CONFIG)
