"""The CA as a signer: what it is made of is checked before it signs."""

from __future__ import annotations

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from cloudcore.errors import IdentityError
from cloudcore.pki import signing
from cloudcore.pki.certificates import Signer, create_authority
from tests.unit.cloudcore.pki.made import NOW


def test_a_certificate_whose_key_is_no_point_of_its_curve_is_refused_as_unreadable() -> None:
    certificate, secret = create_authority("KubeEdge", 1, signing.validity(NOW, signing.CA_LIFETIME))
    point = x509.load_der_x509_certificate(certificate).public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    with pytest.raises(IdentityError, match="cannot be read"):
        Signer(certificate.replace(point, b"\x04" + bytes(64)), secret)
