"""Numbers that people read out: phones, cards, accounts, codes, addresses of machines."""

from __future__ import annotations

import string
from random import Random

from talk.registry import source
from unislu.data.compose import Value
from unislu.data.spoken import codes
from unislu.data.spoken.numbers import MONTHS, cardinal

# Letters and figures that are hard to mistake for one another make up most real codes.
_LETTERS = "ABCDEFGHJKLMNPRSTUVWXYZ"


def figures(rng: Random, count: int, first: str = "123456789") -> str:
    return rng.choice(first) + "".join(rng.choice(string.digits) for _ in range(count - 1))


def letters(rng: Random, count: int) -> str:
    return "".join(rng.choice(_LETTERS) for _ in range(count))


def _grouped(written: str, rng: Random, *, pairs: float = 0.0) -> Value:
    """Groups of digits as a person reads them, now and then with a hesitation between two."""
    said = codes.digit_groups(written, rng, pairs=pairs, doubles=0.25)
    if rng.random() < 0.06:
        said = said.replace(", ", ", uh, ", 1)
    return Value(written, said)


def _long_number(written: str, rng: Random) -> Value:
    """An undivided number, read with pauses after three or four digits, or with none."""
    step = rng.choice([0, 0, 0, 0, 3, 4])
    said = written
    if step:
        said = " ".join(written[i : i + step] for i in range(0, len(written), step))
    return Value(written, codes.digit_groups(said, rng, doubles=0.25))


def _spelled(written: str, rng: Random) -> Value:
    return Value(written, codes.spelled(written, rng, nato=0.15, doubles=0.15))


@source
def phone_number(rng: Random, _: str = "") -> Value:
    kind = rng.random()
    if kind < 0.15:
        written = f"555-{figures(rng, 4, '0123456789')}"
    elif kind < 0.65:
        written = (
            f"{figures(rng, 3, '23456789')}-{figures(rng, 3, '23456789')}-{figures(rng, 4, '0123456789')}"
        )
    elif kind < 0.72:
        written = (
            f"1-{rng.choice(['800', '888', '877', '866'])}-{figures(rng, 3)}-{figures(rng, 4, '0123456789')}"
        )
    elif kind < 0.82:
        written = f"07{figures(rng, 3, '457989')} {figures(rng, 6)}"
    elif kind < 0.9:
        written = rng.choice(
            [f"020 {figures(rng, 4, '78')} {figures(rng, 4)}", f"01{figures(rng, 3)} {figures(rng, 6)}"]
        )
    else:
        country = rng.choice(["1", "33", "34", "39", "44", "49", "61", "91", "353", "971"])
        written = f"+{country}-{figures(rng, 3)}-{figures(rng, 3)}-{figures(rng, 4)}"
    return _grouped(written, rng, pairs=0.15)


@source
def extension(rng: Random, _: str = "") -> Value:
    return _grouped(figures(rng, rng.choice([3, 4])), rng)


def _luhn(partial: str) -> str:
    """The digit that makes a number valid for cards."""
    total = 0
    for index, digit in enumerate(reversed(partial)):
        value = int(digit) * (2 if index % 2 == 0 else 1)
        total += value - 9 if value > 9 else value
    return str(-total % 10)


@source
def card_number(rng: Random, _: str = "") -> Value:
    if rng.random() < 0.15:  # fifteen digits, in groups of four, six and five
        number = rng.choice(["34", "37"]) + figures(rng, 12, string.digits)
        number += _luhn(number)
        return _grouped(f"{number[:4]}-{number[4:10]}-{number[10:]}", rng)
    number = rng.choice(["4", "4", "51", "52", "53", "55", "6011"])
    number += figures(rng, 15 - len(number), string.digits)
    number += _luhn(number)
    return _grouped("-".join(number[i : i + 4] for i in range(0, 16, 4)), rng)


@source
def card_expiry_date(rng: Random, _: str = "") -> Value:
    month, year = rng.randint(1, 12), rng.randint(25, 34)
    if rng.random() < 0.7:
        said = [codes.digits(f"{month:02d}", rng), f"{cardinal(month, rng)}"][rng.random() < 0.4]
        return Value(f"{month:02d}/{year}", f"{said}, {cardinal(year, rng)}")
    name = MONTHS[month - 1]
    return Value(f"{name} 20{year}", f"{name} twenty {cardinal(year, rng)}")


@source
def card_security_code(rng: Random, _: str = "") -> Value:
    return _grouped(figures(rng, rng.choice([3, 3, 3, 4]), string.digits), rng)


@source
def bank_account_number(rng: Random, _: str = "") -> Value:
    return _long_number(figures(rng, rng.choice([8, 8, 9, 10, 12]), string.digits), rng)


@source
def routing_number(rng: Random, _: str = "") -> Value:
    """Nine digits whose weighted sum is a multiple of ten."""
    number = rng.choice("0123") + figures(rng, 7, string.digits)
    weights = (3, 7, 1, 3, 7, 1, 3, 7)
    return _long_number(
        number + str(-sum(int(d) * w for d, w in zip(number, weights, strict=True)) % 10), rng
    )


@source
def sort_code(rng: Random, _: str = "") -> Value:
    return _grouped("-".join(figures(rng, 2, string.digits) for _ in range(3)), rng)


@source
def iban(rng: Random, _: str = "") -> Value:
    """An account number with its two check digits, in groups of four."""
    country, length = rng.choice([("DE", 18), ("NL", 14), ("ES", 20), ("FR", 23), ("AT", 16), ("BE", 12)])
    account = letters(rng, 4) + figures(rng, 10) if country == "NL" else figures(rng, length)
    numeric = "".join(str(int(c, 36)) for c in f"{account}{country}00")
    written = f"{country}{98 - int(numeric) % 97:02d}{account}"
    grouped = " ".join(written[i : i + 4] for i in range(0, len(written), 4))
    return Value(grouped, codes.spelled(grouped, rng, nato=0.1))


@source
def swift_code(rng: Random, _: str = "") -> Value:
    return _spelled(letters(rng, 4) + rng.choice(["US", "GB", "DE", "FR", "NL", "ES"]) + letters(rng, 2), rng)


@source
def social_security_number(rng: Random, _: str = "") -> Value:
    return _grouped(
        f"{figures(rng, 3)}-{figures(rng, 2, string.digits)}-{figures(rng, 4, string.digits)}", rng
    )


@source
def national_insurance_number(rng: Random, _: str = "") -> Value:
    return _spelled(letters(rng, 2) + figures(rng, 6, string.digits) + rng.choice("ABCD"), rng)


@source
def tax_id(rng: Random, _: str = "") -> Value:
    return _grouped(f"{figures(rng, 2)}-{figures(rng, 7, string.digits)}", rng)


@source
def passport_number(rng: Random, _: str = "") -> Value:
    if rng.random() < 0.5:
        return _long_number(figures(rng, 9), rng)
    return _spelled(letters(rng, rng.choice([1, 2])) + figures(rng, 7), rng)


@source
def driver_license_number(rng: Random, _: str = "") -> Value:
    return _spelled(letters(rng, 1) + figures(rng, rng.choice([7, 8])), rng)


@source
def license_plate(rng: Random, _: str = "") -> Value:
    kind = rng.randrange(4)
    if kind == 0:
        return _spelled(figures(rng, 1) + letters(rng, 3) + figures(rng, 3), rng)
    if kind == 1:
        return _spelled(letters(rng, 3) + " " + figures(rng, 4), rng)
    if kind == 2:
        return _spelled(letters(rng, 2) + figures(rng, 2) + " " + letters(rng, 3), rng)
    return _spelled(letters(rng, 3) + figures(rng, 3), rng)


@source
def vehicle_identification_number(rng: Random, _: str = "") -> Value:
    return _spelled(
        figures(rng, 1) + letters(rng, 4) + figures(rng, 2) + letters(rng, 3) + figures(rng, 7), rng
    )


@source
def order_number(rng: Random, _: str = "") -> Value:
    kind = rng.random()
    if kind < 0.6:
        return _long_number(figures(rng, rng.choice([5, 6, 7, 8])), rng)
    return _spelled(letters(rng, rng.choice([1, 2, 3])) + figures(rng, rng.choice([4, 5, 6])), rng)


@source
def tracking_number(rng: Random, _: str = "") -> Value:
    if rng.random() < 0.5:
        return _spelled("1Z" + letters(rng, 2) + figures(rng, 8), rng)
    return _grouped("-".join(figures(rng, 4) for _ in range(3)), rng)


@source
def reference_number(rng: Random, _: str = "") -> Value:
    if rng.random() < 0.5:
        return _spelled(letters(rng, rng.choice([2, 3])) + figures(rng, rng.choice([4, 5, 6])), rng)
    return _long_number(figures(rng, rng.choice([6, 7, 8])), rng)


@source
def booking_reference(rng: Random, _: str = "") -> Value:
    return _spelled("".join(rng.choice(_LETTERS + "23456789") for _ in range(6)), rng)


@source
def member_id(rng: Random, _: str = "") -> Value:
    if rng.random() < 0.5:
        return _long_number(figures(rng, rng.choice([8, 9, 10])), rng)
    return _spelled(letters(rng, 3) + figures(rng, rng.choice([6, 7, 8])), rng)


@source
def medical_record_number(rng: Random, _: str = "") -> Value:
    return _long_number(figures(rng, rng.choice([6, 7, 8]), string.digits), rng)


@source
def serial_number(rng: Random, _: str = "") -> Value:
    return _spelled(letters(rng, 2) + figures(rng, 2) + letters(rng, 1) + figures(rng, 4), rng)


@source
def pin(rng: Random, _: str = "") -> Value:
    return _grouped(figures(rng, rng.choice([4, 4, 4, 6]), string.digits), rng, pairs=0.15)


@source
def verification_code(rng: Random, _: str = "") -> Value:
    return _long_number(figures(rng, rng.choice([4, 5, 6, 6]), string.digits), rng)


@source
def ip_address(rng: Random, _: str = "") -> Value:
    net = rng.choice(["192.168", "10.0", "172.16", f"{rng.randint(11, 223)}.{rng.randint(0, 255)}"])
    written = f"{net}.{rng.randint(0, 255)}.{rng.randint(1, 254)}"
    if rng.random() < 0.4:
        return Value(written, " dot ".join(cardinal(int(part), rng) for part in written.split(".")))
    return Value(written, codes.spelled(written, rng))


@source
def error_code(rng: Random, _: str = "") -> Value:
    if rng.random() < 0.4:
        return _grouped(figures(rng, 3), rng)
    return _spelled(rng.choice(["E", "F", "H", "ERR", "X"]) + figures(rng, rng.choice([1, 2, 3, 4])), rng)


@source
def flight_number(rng: Random, _: str = "") -> Value:
    airline = rng.choice(["AA", "BA", "DL", "UA", "LH", "AF", "EK", "QR", "KL", "SQ", "AC", "WN", "IB", "TK"])
    number = figures(rng, rng.choice([2, 3, 3, 4]))
    said = (
        f"{' '.join(airline)} {codes.digits(number, rng) if rng.random() < 0.6 else _in_pairs(number, rng)}"
    )
    return Value(airline + number, said)


@source
def bare_flight_number(rng: Random, _: str = "") -> Value:
    number = figures(rng, rng.choice([2, 3, 3, 4]))
    return Value(number, codes.digits(number, rng) if rng.random() < 0.5 else _in_pairs(number, rng))


def _in_pairs(number: str, rng: Random) -> str:
    """1482 → fourteen eighty-two; 482 → four eighty-two."""
    head, tail = number[:-2], number[-2:]
    last = codes.digits(tail, rng) if tail[0] == "0" else cardinal(int(tail), rng)
    return f"{cardinal(int(head), rng)} {last}" if head else last


@source
def seat_number(rng: Random, _: str = "") -> Value:
    row, seat = rng.randint(1, 42), rng.choice("ABCDEF")
    return Value(f"{row}{seat}", f"{cardinal(row, rng)} {seat}")


@source
def gate(rng: Random, _: str = "") -> Value:
    letter, number = rng.choice("ABCDE"), rng.randint(1, 60)
    return Value(f"{letter}{number}", f"{letter} {cardinal(number, rng)}")


@source
def room_number(rng: Random, _: str = "") -> Value:
    number = f"{rng.randint(1, 12)}{rng.randint(1, 30):02d}"
    return Value(number, _in_pairs(number, rng) if rng.random() < 0.6 else codes.digits(number, rng))
