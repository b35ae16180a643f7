"""``make demo``: the main job on this machine, from an empty site to a pod and a device on a board."""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import sys
import time
from pathlib import Path
from types import FrameType

from demo.parts import Died, quietly, remove_containers, unmount_below
from demo.stage import Failed, Stage, answers, run, stop_left_over
from demo.steps import IMAGE, NODE, TOP, Demo

FOLDER = TOP / ".demo"

_DOWN_SECONDS = 30.0
"""What ``make demo-down`` may take from its first process to its last file."""

NEXT = """
What to try next (in another terminal):

  export KUBECONFIG={kubeconfig}
  kubectl get nodes,pods,devices -o wide
  kubectl edit configmap web-page            # then: curl http://127.0.0.1:{web}/cgi-bin/page
  kubectl exec deploy/web -- /bin/busybox uptime
  kubectl delete pod -l app=web              # another one takes its place
  kubectl get device thermometer -o yaml -w  # then change the register:
  {python} -m mappers.modbus.poke 127.0.0.1:{modbus} holding 0 275
  mosquitto_sub -p {mqtt} -t '$hw/events/device/#' -v

Logs are in {folder}. Ctrl-C here (or: make demo-down) ends it all and leaves nothing behind.
"""


def main() -> int:
    parser = argparse.ArgumentParser(prog="demo", description=__doc__)
    parser.add_argument("--once", action="store_true", help="run to the end, check every step, clean up; exit code 1 if a step failed")
    parser.add_argument("--down", action="store_true", help="end a demo that was left running and remove what it made")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, _interrupted)
    if os.geteuid() != 0:
        print("The demo runs containers that publish ports: run it as root (sudo make demo).", file=sys.stderr)
        return 1
    left = clean_up_left_over()
    if arguments.down:
        print("Ended and removed: " + (", ".join(left) or "nothing was there"))
        return 0
    if left:
        print(f"An earlier demo was still here and was ended: {', '.join(left)}")
    return play(once=arguments.once)


def play(*, once: bool) -> int:
    if answers(1883):
        print("A broker already answers on port 1883: it is left alone, the demo's own takes another port.")
    demo = Demo(FOLDER)
    steps = (
        ("start the site (Kubernetes API and CloudCore)", demo.start_site),
        ("enrol a board", demo.join_board),
        ("start EdgeCore", demo.start_board),
        ("build an image", demo.build_image),
        ("run a container from a Deployment", demo.apply_web),
        ("read a device", demo.start_thermometer),
        ("see a change of the device", demo.change_temperature),
        ("set a desired value", demo.set_desired),
    )
    code = 0
    name = ""
    try:
        for number, (name, step) in enumerate(steps, 1):
            print(f"[{number}/{len(steps)}] {name} …", flush=True)
            started = time.monotonic()
            print(f"      {step()}  ({time.monotonic() - started:.1f} s)", flush=True)
        if not once:
            places = {"kubeconfig": demo.site.kubeconfig, "folder": demo.folder, "python": sys.executable}
            ports = {"web": demo.web_port, "modbus": demo.modbus_port, "mqtt": demo.board.mqtt}
            print(NEXT.format(**places, **ports), flush=True)
            wait_for_the_end(demo.stage)
    except KeyboardInterrupt:
        print("\nEnding …")
        code = 130 if once else 0
    except (Failed, Died, OSError) as exc:
        print(f"\nFAILED at step “{name}”: {exc}", file=sys.stderr)
        keep_logs(demo.folder)
        code = 1
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        print("Cleaning up …", flush=True)
        demo.down()
    print("Everything is removed." + (" Every step passed." if once and code == 0 else ""))
    return code


def wait_for_the_end(stage: Stage) -> None:
    """Until Ctrl-C, or until ``make demo-down`` in another terminal has ended the processes.

    Raises:
        Died: one of them ended by itself.
    """
    while (dead := stage.dead()) is None:
        time.sleep(0.5)
    wait_until = time.monotonic() + _DOWN_SECONDS
    while stage.folder.exists() and time.monotonic() < wait_until:
        time.sleep(0.5)
    if stage.folder.exists():
        raise Died(f"{dead.name} ended with code {dead.process.returncode}:\n{dead.tail()}")
    print("\nThe demo was ended from elsewhere.")


def clean_up_left_over() -> list[str]:
    """End the processes and remove the containers and files of a demo that did not end by itself; what was there."""
    if not FOLDER.exists():
        return []
    names = stop_left_over(FOLDER)
    remove_containers(FOLDER / NODE)
    quietly(lambda: run("podman", "rmi", "-f", IMAGE))
    unmount_below(FOLDER)
    shutil.rmtree(FOLDER, ignore_errors=True)
    return names or ["files"]


def keep_logs(folder: Path) -> None:
    """The clean-up removes everything; the end of each log is what a person needs after a failure."""
    for log in sorted(folder.glob("*.log")):
        print(f"--- the end of {log.name}", file=sys.stderr)
        print("\n".join(log.read_text("utf-8", "replace").splitlines()[-25:]), file=sys.stderr)


def _interrupted(signum: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
