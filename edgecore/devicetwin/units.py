"""Units as people write them, and what Home Assistant calls them: its spelling and its device class. Pure.

A unit that stands for several kinds of thing (``%``, ``ppm``, ``dB``, ``m³``) has no class here: a wrong one would mislead more than none
helps. The spellings and classes are those of homeassistant/components/sensor/const.py (2024.11 to 2025.5).
"""

from __future__ import annotations

_CLASSES: dict[str, tuple[str, ...]] = {
    "temperature": ("°C", "°F", "K"),
    "pressure": ("Pa", "hPa", "kPa", "bar", "cbar", "mbar", "mmHg", "inHg", "psi"),
    "voltage": ("V", "mV"),
    "current": ("A", "mA"),
    "power": ("W", "kW"),
    "apparent_power": ("VA",),
    "reactive_power": ("var",),
    "energy": ("Wh", "kWh", "MWh", "MJ", "GJ"),
    "frequency": ("Hz", "kHz", "MHz", "GHz"),
    "illuminance": ("lx",),
    "irradiance": ("W/m²",),
    "distance": ("mm", "cm", "m", "km"),
    "speed": ("m/s", "km/h"),
    "weight": ("mg", "g", "kg"),
    "volume_flow_rate": ("m³/h", "L/min"),
    "duration": ("ms", "s", "min", "h", "d"),
    "signal_strength": ("dBm",),
    "data_size": ("B", "kB", "MB", "GB"),
}
_ALIASES = {
    **dict.fromkeys(("c", "℃", "degc", "deg c", "celsius", "degree celsius", "degrees celsius"), "°C"),
    **dict.fromkeys(("f", "℉", "degf", "deg f", "fahrenheit", "degrees fahrenheit"), "°F"),
    **dict.fromkeys(("kelvin",), "K"),
    **dict.fromkeys(("percent", "pct", "%rh", "% rh"), "%"),
    **dict.fromkeys(("volt", "volts"), "V"),
    **dict.fromkeys(("ampere", "amperes", "amp", "amps"), "A"),
    **dict.fromkeys(("watt", "watts"), "W"),
    **dict.fromkeys(("hertz",), "Hz"),
    **dict.fromkeys(("lux",), "lx"),
    **dict.fromkeys(("w/m2", "w/m^2"), "W/m²"),
    **dict.fromkeys(("m3/h", "m^3/h"), "m³/h"),
    **dict.fromkeys(("l/min",), "L/min"),
    **dict.fromkeys(("sec", "second", "seconds"), "s"),
    **dict.fromkeys(("minute", "minutes"), "min"),
    **dict.fromkeys(("hour", "hours"), "h"),
    **dict.fromkeys(("kph", "kmh"), "km/h"),
}
_CLASS_OF = {unit: name for name, units in _CLASSES.items() for unit in units}


def spelled(unit: str) -> str:
    """``unit`` as Home Assistant spells it, where it knows it."""
    unit = unit.strip()
    return unit if unit in _CLASS_OF else _ALIASES.get(unit.lower(), unit)


def device_class(unit: str) -> str:
    """Of a unit that is spelled so; empty where it does not tell one."""
    return _CLASS_OF.get(unit, "")


def state_class(kind: str) -> str:
    """How Home Assistant keeps statistics of values of a device class. It takes energy for a counter only."""
    return "total_increasing" if kind == "energy" else "measurement"
