"""Who this node is: key, certificate and CA, and until when."""

from __future__ import annotations

from edgecore.certs import rotation
from edgecore.certs.files import belong_together
from edgecore.certs.identity import NodeIdentity
from edgecore.doctor.board import NeedsRoot
from edgecore.doctor.case import Case
from edgecore.doctor.check import Check, Group
from edgecore.doctor.verdict import Verdict, ok, skipped, warning, wrong
from edgecore.doctor.wording import day
from edgecore.errors import IdentityError

DAY = 86_400
_JOIN = "edgecore join --cloud SITE --token TOKEN"
_CA_SOON = 90 * DAY


def judge_identity(missing: list[str], *, present: list[str], fits: bool, trouble: str) -> Verdict:
    """Of CA, certificate and key: paths that are missing and that are there; ``trouble``: why the certificate is not good."""
    if not present:
        return wrong(
            "this board has not joined a cloud",
            f"{_JOIN}, or without a token edgecore pair; a board that needs no cloud: modules.edgehub.enable: false",
        )
    if missing:
        return wrong(f"{', '.join(missing)} missing", f"restore it from a backup, or join again: {_JOIN} --force")
    if trouble:
        return wrong(trouble, f"{_JOIN} --force")
    if not fits:
        return wrong("the key is not that of the certificate", f"restore the pair from a backup, or join again: {_JOIN} --force")
    return ok("CA, certificate and key are there and belong together")


def judge_certificate(identity: NodeIdentity, now: float, *, rotates: bool) -> Verdict:
    until = day(identity.not_after)
    left = identity.not_after - now
    if now < identity.not_before:
        return warning(
            f"the certificate is good from {day(identity.not_before)}, and this board's clock says {day(now)}", "set the clock: see clock"
        )
    if left <= 0 and rotates:
        return warning(f"the certificate ended on {until}", "let the board reach the cloud: it renews by itself; see cloud-enrolment")
    if left <= 0:
        return wrong(f"the certificate ended on {until}", "set modules.edgehub.rotateCertificates: true, or join again with a token")
    if rotation.is_due(identity, now) and not rotates:
        return warning(
            f"the certificate ends on {until} and is not renewed",
            "set modules.edgehub.rotateCertificates: true, or join again with a token",
        )
    if left < (identity.not_after - identity.not_before) * (1 - rotation.EARLIEST - rotation.SPREAD):
        return warning(f"the certificate ends on {until} and its renewal is overdue", "see cloud-enrolment, and the log of EdgeCore")
    return ok(f"the certificate of node {identity.node} is good until {until}")


def judge_ca(not_before: int, not_after: int, now: float) -> Verdict:
    if now >= not_after:
        return wrong(
            f"the CA's certificate ended on {day(not_after)}", f"the site needs a new CA, and this board joins it: {_JOIN} --force"
        )
    if not_after - now < _CA_SOON:
        return warning(f"the CA's certificate ends on {day(not_after)}", "plan a new CA at the site; every board joins it again")
    return ok(f"the CA's certificate is good until {day(not_after)}")


def judge_node_name(wanted: str, *, overridden: bool, certified: str) -> Verdict:
    if certified == wanted:
        return ok(f"this is node {certified}")
    what = "modules.edged.hostnameOverride" if overridden else "the host name"
    return warning(
        f"{what} is {wanted}, but the certificate is that of node {certified}, which counts",
        f"set modules.edged.hostnameOverride: {certified}; for another name join again: {_JOIN} --name {wanted} --force",
    )


def _look_identity(case: Case) -> Verdict:
    if not case.speaks_to_a_cloud:
        return _no_cloud(case)
    if case.config.modules.edgehub.token and not case.board.exists(case.config.modules.edgehub.tls_cert_file):
        return skipped("EdgeCore enrols with the token in the config when it starts")
    edgehub, files = case.config.modules.edgehub, case.identity_files
    paths = (edgehub.tls_ca_file, edgehub.tls_cert_file, edgehub.tls_private_key_file)
    present = [path for path in paths if case.board.exists(path)]
    missing = [path for path in paths if path not in present]
    trouble = ""
    if not missing:
        case.board.text(edgehub.tls_private_key_file)  # says who may read it
        try:
            case.identity()
        except IdentityError as exc:
            trouble = str(exc)
    fits = not missing and (belong_together(files.certificate, files.key) or belong_together(files.certificate, files.next_key))
    return judge_identity(missing, present=present, fits=fits, trouble=trouble)


def _look_certificate(case: Case) -> Verdict:
    identity = _identity(case)
    if identity is None:
        return skipped("there is no certificate that can be read: see identity")
    return judge_certificate(identity, case.board.now(), rotates=case.config.modules.edgehub.rotate_certificates)


def _look_ca(case: Case) -> Verdict:
    from edgecore.certs import keys

    text = case.board.text(case.config.modules.edgehub.tls_ca_file)
    if not text:
        return skipped("there is no CA: see identity")
    try:
        return judge_ca(*keys.dates(text.encode()), case.board.now())
    except IdentityError as exc:
        return wrong(f"{case.config.modules.edgehub.tls_ca_file}: {exc}", f"join again: {_JOIN} --force")


def _look_node_name(case: Case) -> Verdict:
    identity = _identity(case)
    if identity is None:
        return skipped("there is no certificate that can be read: see identity")
    override = case.config.modules.edged.hostname_override
    return judge_node_name(override or case.board.host_name().lower(), overridden=bool(override), certified=identity.node)


def _identity(case: Case) -> NodeIdentity | None:
    try:
        return case.identity()
    except NeedsRoot:
        raise
    except IdentityError:
        return None


def _no_cloud(case: Case) -> Verdict:
    if case.hidden is not None:
        raise case.hidden
    return skipped("modules.edgehub is off" if case.configured and not case.problems else "there is no config that can be used")


CHECKS = (
    Check(
        "identity",
        Group.CONFIG,
        "CA, certificate and key are there and belong together",
        "The cloud knows this board by its certificate alone. Pods that are here already run without it.",
        _look_identity,
        root=True,
    ),
    Check(
        "certificate",
        Group.CONFIG,
        "the node's certificate is good, and for how long",
        "With a certificate that has ended there is no link until it is renewed.",
        _look_certificate,
        root=True,
    ),
    Check(
        "ca",
        Group.CONFIG,
        "the CA's certificate is good, and for how long",
        "When the CA ends, so do the certificates of all boards and of the cloud at one time.",
        _look_ca,
    ),
    Check(
        "node-name",
        Group.CONFIG,
        "the name in the config is that of the certificate",
        "Pods are bound to the node's name; the cloud takes no other than that in the certificate.",
        _look_node_name,
        root=True,
    ),
)
