"""Money, percentages, counts and measures."""

from __future__ import annotations

from random import Random

from talk.registry import count, read, source
from unislu.data.compose import Value
from unislu.data.spoken import numbers

SIGNS = "$$$$$££€"
NAMES = {"£": ("pounds", "pence"), "€": ("euros", "cents")}


def _amount(written: str, rng: Random) -> Value:
    """Dollars with their sign, pounds and euros in words: so they are mostly transcribed."""
    if written[0] not in NAMES:
        return read(written, rng)
    unit, hundredths = NAMES[written[0]]
    whole, dot, cents = written[1:].partition(".")
    if not dot or len(cents) != 2:
        return read(f"{written[1:]} {unit}", rng)
    if cents[0] == "0" or rng.random() < 0.5:
        return read(f"{whole} {unit} and {int(cents)} {hundredths}", rng)
    return read(f"{whole} {unit} {cents}", rng)


@source
def price(rng: Random, _: str = "") -> Value:
    """What things and meals cost."""
    sign = rng.choice(SIGNS)
    return _amount(
        rng.choice(
            [
                f"{sign}{rng.randint(1, 199)}.{rng.choice([99, 50, 95, 25, 75, 20, rng.randint(10, 99)])}",
                f"{sign}{rng.choice([rng.randint(1, 19) * 10, rng.randint(1, 9) * 100 + 99])}",
                f"{sign}{rng.choice([rng.randint(2, 99), rng.randint(1, 30) * 5])}",
                rng.choice(
                    [
                        f"{rng.choice([10, 20, 30, 40, 50, 100])} bucks",
                        f"{rng.randint(10, 95)} cents",
                        f"{rng.choice([200, 500, 800])} rupees",
                    ]
                ),
            ]
        ),
        rng,
    )


@source
def money(rng: Random, _: str = "") -> Value:
    """An amount on an account."""
    sign = rng.choice(SIGNS)
    return _amount(
        rng.choice(
            [
                f"{sign}{rng.randint(1, 999)}.{rng.randint(10, 99)}",
                f"{sign}{rng.randint(1, 99) * 10}",
                f"{sign}{rng.randint(1000, 9999):,}",
                f"{sign}{rng.randint(11, 99) * 100:,}",
                f"{sign}{rng.randint(2, 30) * 100:,}",
                f"{sign}{rng.randint(1000, 9999):,}.{rng.randint(10, 99)}",
                f"{sign}{rng.randint(10, 95) * 1000:,}",
            ]
        ),
        rng,
    )


@source
def salary(rng: Random, _: str = "") -> Value:
    """A year's pay, a house."""
    return _amount(
        f"{rng.choice(SIGNS)}{rng.choice([rng.randint(24, 190), rng.randint(20, 95) * 5]) * 1000:,}", rng
    )


@source
def large_amount(rng: Random, _: str = "") -> Value:
    """The turnover of companies."""
    sign = rng.choice(SIGNS)
    return _amount(
        rng.choice(
            [
                f"{sign}{rng.randint(28, 950) * 1000:,}",
                f"{sign}{rng.randint(28, 480) * 1000:,}",
                f"{sign}{rng.randint(2, 40)} million",
                f"{sign}{rng.randint(1, 9)}.{rng.randint(1, 9)} {rng.choice(['million', 'billion'])}",
                f"{sign}{rng.randint(1, 90)} billion",
            ]
        ),
        rng,
    )


@source
def percent(rng: Random, _: str = "") -> Value:
    number = rng.choice(
        [
            str(rng.randint(1, 100)),
            str(rng.choice([5, 10, 15, 20, 25, 50, 75])),
            f"{rng.randint(0, 19)}.{rng.randint(1, 9)}",
        ]
    )
    return read(f"{number}%", rng)


@source
def interest(rng: Random, _: str = "") -> Value:
    """The percentage of a loan, a raise, a change of prices."""
    return read(rng.choice([f"{rng.randint(1, 30)}%", f"{rng.randint(0, 12)}.{rng.randint(1, 9)}%"]), rng)


@source
def number(rng: Random, _: str = "") -> Value:
    return read(count(rng.choice([rng.randint(2, 9), rng.randint(10, 99), rng.randint(100, 499)])), rng)


@source
def small_number(rng: Random, _: str = "") -> Value:
    return read(count(rng.choice([rng.randint(2, 9), rng.randint(2, 9), rng.randint(10, 40)])), rng)


@source
def temperature(rng: Random, _: str = "") -> Value:
    return read(f"{rng.randint(40, 99)} degrees{rng.choice(['', '', ' Fahrenheit'])}", rng)


@source
def body_temperature(rng: Random, _: str = "") -> Value:
    if rng.random() < 0.6:
        degrees = rng.choice(["", " degrees", " degrees Fahrenheit"])
        return read(
            f"{rng.randint(97, 104)}.{rng.randint(1, 9)}{degrees}",
            rng,
        )
    return read(
        f"{rng.randint(36, 40)}.{rng.randint(1, 9)}{rng.choice([' degrees', '', ' degrees Celsius'])}", rng
    )


@source
def dosage(rng: Random, _: str = "") -> Value:
    written = rng.choice(
        [
            f"{rng.choice([5, 10, 20, 25, 40, 50, 75, 80, 100, 150, 200, 250, 300, 500, 800])} milligrams",
            f"{rng.choice([5, 10, 20, 25, 40, 50, 100, 200, 500, 650, 850])} milligrams",
            f"{rng.choice([25, 50, 75, 88, 112])} micrograms",
            f"{rng.choice([10, 12, 20, 30])} units",
            "two puffs",
            "two tablets",
            f"{rng.choice([5, 10, 15])} milliliters",
            "half a tablet",
            "one capsule",
            "2.5 milligrams",
            "0.5 milligrams",
        ]
    )
    return read(written, rng)


def _pressure(number: int, rng: Random) -> str:
    """128 → one twenty-eight, mostly."""
    if number < 100 or number % 100 < 10 or rng.random() < 0.3:
        return numbers.cardinal(number, rng)
    return f"one {numbers.cardinal(number % 100, rng)}"


@source
def blood_pressure(rng: Random, _: str = "") -> Value:
    upper, lower = rng.randint(98, 185), rng.randint(58, 110)
    return Value(f"{upper}/{lower}", f"{_pressure(upper, rng)} over {numbers.cardinal(lower, rng)}")


@source
def distance(rng: Random, _: str = "") -> Value:
    return read(f"{count(rng.randint(2, 60))} {rng.choice(['miles', 'miles', 'kilometers', 'blocks'])}", rng)


@source
def length(rng: Random, _: str = "") -> Value:
    return read(
        rng.choice(
            [
                f"{count(rng.randint(2, 90))} {rng.choice(['feet', 'inches', 'meters', 'yards'])}",
                f"{rng.randint(1, 9)}.{rng.randint(1, 9)} meters",
            ]
        ),
        rng,
    )


@source
def weight(rng: Random, _: str = "") -> Value:
    return read(
        rng.choice(
            [
                f"{count(rng.randint(2, 240))} pounds",
                f"{count(rng.randint(2, 110))} {rng.choice(['kilos', 'kilograms'])}",
                f"{rng.randint(1, 9)}.{rng.randint(1, 9)} kilos",
                f"{count(rng.randint(2, 30))} ounces",
            ]
        ),
        rng,
    )


@source
def quantity(rng: Random, _: str = "") -> Value:
    return read(
        rng.choice(
            [
                count(rng.randint(2, 12)),
                "a dozen",
                "a couple of",
                "half a dozen",
                count(rng.randint(2, 60)),
                f"{count(rng.randint(2, 9))} boxes of",
                f"{count(rng.randint(2, 9))} packs of",
                f"{count(rng.randint(2, 6))} bottles of",
            ]
        ),
        rng,
    )


@source
def mileage(rng: Random, _: str = "") -> Value:
    return read(f"{rng.randint(3, 180) * 1000:,}", rng)


@source
def digit(rng: Random, _: str = "") -> Value:
    return read(count(rng.randint(1, 9)), rng)
