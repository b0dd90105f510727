"""Abbreviations that are said letter by letter, and those that are said as a word.

A corpus in lower case hides them and synthesisers guess: `eib` restored to `Eib` is spoken as a word that
nobody says, and so is `EIB` by some engines. `restore` gives them their capitals and `speakable` spells them.
"""

from __future__ import annotations

import re

#: Said letter by letter. None of them is a word of everyday English.
SPELLED = frozenset(
    "EU UK USA UAE USSR UN EEC EEA EIB EBRD ECB ECJ ECHR ECR EPP PPE ECDC EDF EEAS EFSF EFSI EIF ERC ERDF "
    "ESM ESF EBA EMA EC MEP MP SME NGO WTO IMF ILO IMO FAO OECD OSCE UNHCR UNDP UNFCCC ICC "
    "ICJ ICTY IAEA WHO WFP WMO DPRK PRC PKK PLO IRA IRGC FSB KGB MDC SPD CDU CSU FPO FDP SNP DUP "
    "CIA FBI NSA IRS FDA EPA BBC CNN NBC ABC CBS IBM HP GM BMW BP RWE AMD ATM GPS "
    "GDP GNP VAT ICT IT IP IWF JHA GMO HIV DNA RNA MRI ECG ICU GP NHS HR CEO CFO CTO "
    "TV DVD CD PC BBQ PG NFL NBA NHL MLB FC TTE TGV US".split()
)
#: Said as a word.
SAID = frozenset(
    "NATO NASA UNICEF UNESCO OPEC UNRWA ASEAN EASA EFSA ESMA EFTA CETA ACTA TTIP ALDE ECOFIN EPPO OLAF "
    "UKIP ISIS ISIL AIDS SADC ECOWAS OHIM ENISA FRONTEX FIFA UEFA".split()
)
#: Words of their own as well, in lower case: abbreviations only as a whole name.
_WORDS_TOO = frozenset("us who it aids ira".split())
#: Without a vowel and yet not spelled.
_SHORTENED = frozenset("MR MRS MS DR ST JR LTD VS".split())
_CAPITALS = re.compile(r"\b[A-Z]{2,6}s?\b")


def capitals(word: str, *, whole_name: bool = False) -> str | None:
    """The usual form of a lower-case word that is an abbreviation, else None.

    Args:
        word: one word in lower case.
        whole_name: it is all of a name, so that `us` is a country and not a pronoun.
    """
    upper = word.upper()
    if word in _WORDS_TOO and not whole_name:
        return None
    if upper in SPELLED or upper in SAID:
        return upper
    stem, ending = upper[:-1], upper[-1:]
    return f"{stem}s" if ending == "S" and stem in SPELLED and stem.lower() not in _WORDS_TOO else None


def spelled(text: str) -> str:
    """The text with spaces between the letters of abbreviations that are said letter by letter.

    Those of the list, and any without a vowel (`RTL`): those of the list may be pronounceable (`EIB`).
    """
    return _CAPITALS.sub(_letters, text)


def _letters(match: re.Match[str]) -> str:
    word = match[0]
    stem = word[:-1] if word.endswith("s") else word
    if stem not in SPELLED and (stem in _SHORTENED or re.search("[AEIOUY]", stem)):
        return word
    return " ".join(stem) + ("'s" if stem != word else "")
