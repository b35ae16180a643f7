"""NMEA 0183 against a reader of another maker (pynmea2), and what is wrong with sentences."""

from __future__ import annotations

from decimal import Decimal

import pynmea2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mappers.serialport.nmea import NotASentence, checksum, quantities, sentence_of
from mappers.serialport.simulated import Receiver, sentence

RMC = "GPRMC,082006.000,A,3850.7819,S,07519.5180,W,28.8,355.5,011209,,,A"


def read(body: str) -> dict[str, object]:
    return dict(quantities(sentence_of(sentence(body).strip())))


def test_a_place_a_speed_and_a_moment() -> None:
    found = read(RMC)
    assert found["latitude"] == Decimal("-38.8463650")
    assert found["longitude"] == Decimal("-75.3253000")
    assert found["speed"] == Decimal("14.8160")
    assert (found["course"], found["time"]) == (Decimal("355.5"), "2009-12-01T08:20:06Z")


def test_without_a_fix_it_says_that_it_does_not_know() -> None:
    found = read("GNRMC,235947.00,V,,,,,,,230394,,,N")
    assert (found["latitude"], found["longitude"], found["speed"]) == (None, None, None)
    assert found["time"] == "1994-03-23T23:59:47Z"
    found = read("GNGGA,235947.00,,,,,0,00,99.99,,,,,,")
    assert (found["latitude"], found["altitude"], found["fix"], found["satellites"]) == (None, None, Decimal(0), Decimal(0))


@given(
    latitude=st.decimals(-90, 90, places=6),
    longitude=st.decimals(-180, 180, places=6),
    altitude=st.decimals(-400, 9000, places=1),
    satellites=st.integers(1, 24),
)
def test_a_reader_of_another_maker_reads_the_same(latitude: Decimal, longitude: Decimal, altitude: Decimal, satellites: int) -> None:
    body = (
        f"GPGGA,120000.00,{angle(latitude, 2)},{'S' if latitude < 0 else 'N'},{angle(longitude, 3)},{'W' if longitude < 0 else 'E'}"
        f",1,{satellites:02d},0.9,{altitude},M,46.9,M,,"
    )
    ours, theirs = read(body), pynmea2.parse(sentence(body).decode())
    assert float(ours["latitude"]) == pytest.approx(theirs.latitude, abs=1e-6)  # type: ignore[arg-type]
    assert float(ours["longitude"]) == pytest.approx(theirs.longitude, abs=1e-6)  # type: ignore[arg-type]
    assert float(ours["altitude"]) == pytest.approx(float(theirs.altitude))  # type: ignore[arg-type]
    assert ours["satellites"] == int(theirs.num_sats)


def test_what_our_simulator_says_is_understood_by_a_reader_of_another_maker() -> None:
    for line in Receiver().beat().decode().splitlines():
        found = pynmea2.parse(line, check=True)
        assert (round(found.latitude), round(found.longitude)) == (53, 13)


def angle(value: Decimal, width: int) -> str:
    degrees, rest = divmod(abs(value), 1)
    minutes = min(rest * 60, Decimal("59.99999"))
    return f"{int(degrees):0{width}d}{minutes:08.5f}"


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (b"", "not a sentence"),
        (b"\xff\xfe garbage", "not a sentence"),
        (b"$GPRMC,082006.000,A,3850.7819,S", "not a sentence"),
        (b"$GPRMC,1*XY", "not a sentence"),
        (sentence(RMC).strip().replace(b"355.5", b"355.6"), "its checksum is"),
        (sentence(RMC).strip()[:-1], "not a sentence"),
        (b"$gprmc,1*00", "not a sentence"),
    ],
)
def test_a_damaged_sentence_is_not_believed(line: bytes, said: str) -> None:
    with pytest.raises(NotASentence, match=said):
        sentence_of(line)


@pytest.mark.parametrize(
    "body",
    [
        RMC.replace("3850.7819", "3860.7819"),
        RMC.replace("3850.7819", "9950.7819"),
        RMC.replace("3850.7819", "south"),
        RMC.replace(",S,", ",Q,"),
        RMC.replace("28.8", "fast"),
        RMC.replace("28.8", "1_0"),
        RMC.replace("011209", "321209"),
        RMC.replace("082006.000", "252006"),
        "GPGGA,1,,,,,x",
    ],
)
def test_fields_that_cannot_be_are_refused_although_the_sentence_is_whole(body: str) -> None:
    with pytest.raises(NotASentence):
        read(body)


def test_the_rest_of_a_sentence_before_another_is_passed_over() -> None:
    assert sentence_of(b"19.5180,W,28.8$GPTXT,x*" + b"%02X" % checksum(b"GPTXT,x")).kind == "TXT"


def test_a_sentence_of_no_interest_tells_nothing_and_is_no_fault() -> None:
    assert read("PUBX,40,GLL,0,0,0,0,0,0") == {}
    assert read("GPGSV,1,1,00") == {}


@given(st.binary(max_size=120))
def test_any_bytes_are_read_or_refused(line: bytes) -> None:
    try:
        quantities(sentence_of(line))
    except NotASentence:
        pass
