"""``cloudcore pair`` at a real API, a real CloudCore under its rights, and the board's own command: they meet by the code (P2.12)."""

from __future__ import annotations

import argparse
import asyncio
import io
from pathlib import Path

from cloudcore.kube.client import KubeClient
from cloudcore.kube.resources import SECRETS
from cloudcore.pki.paircommands import add_pair_parser
from edgecore.certs.renewal import current_identity, files_of
from edgecore.config import read_config
from edgecore.pairing.commands import parser, run_pair
from tests.contract.cloudcore.test_cloudcore_on_cloudstub import World, eventually, world
from tests.fakes.edge import runs


async def type_at_the_site(kube: KubeClient, *words: str) -> str:
    commands = argparse.ArgumentParser()
    add_pair_parser(commands.add_subparsers())
    args = commands.parse_args(["pair", *words])
    return str(await args.run(args, kube))


def board_at(folder: Path) -> Path:
    folder.mkdir()
    config = folder / "edgecore.yaml"
    names = {"tlsCaFile": "ca.crt", "tlsCertFile": "edge.crt", "tlsPrivateKeyFile": "edge.key"}
    config.write_text("modules:\n  edgeHub:\n" + "".join(f"    {key}: {folder / name}\n" for key, name in names.items()))
    return config


async def shown(out: io.StringIO) -> str:
    async def look() -> str:
        return out.getvalue().partition("pairing code: ")[2][:9]

    code: str = await eventually(look)
    return code


async def is_forgotten(kube: KubeClient) -> bool:
    return not (await kube.get(SECRETS, "kubeedge", "bramble-pairings")).get("data")


def asks(made: World, config: Path, out: io.StringIO, *flags: str) -> asyncio.Task[int]:
    where = f"127.0.0.1:{made.core.https_port}"
    args = parser().parse_args(["--cloud", where, "--config", str(config), "--timeout", "60s", *flags])
    return asyncio.create_task(asyncio.to_thread(run_pair, args, out, out))


@runs
async def test_a_board_and_an_operator_meet_by_a_code() -> None:
    async with world() as (made, kube):
        config, out = board_at(made.folder / "board"), io.StringIO()
        asking = asks(made, config, out)
        said = await type_at_the_site(kube, (await shown(out)).lower(), "--name", "shed")
        assert "and will be node shed" in said
        assert await asking == 0, out.getvalue()
        assert f"node shed joined 127.0.0.1:{made.core.hub_port}" in out.getvalue()
        identity = current_identity(files_of(read_config(config)[0].modules.edgehub))
        assert identity is not None and (identity.node, identity.authority) == ("shed", made.core.identity.authority.pin)

        async def forgotten() -> bool:
            return await is_forgotten(kube)

        await eventually(forgotten)
        assert made.core.identity.expected.is_empty()
