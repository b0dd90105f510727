"""A prefix tree of phrases over tokens, whatever tokens a phrase is cut into.

The tree is one of bytes: a token leads on if its bytes do, so ` Kow` and ` K`, `ow` reach the same node. It
is never built as a whole: the phrases are kept sorted, a node is a range of them with the same beginning, and
what may follow a node is looked up when it is first reached.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from unislu.sequence.phrases import Phrase, spellings, unspaced
from unislu.sequence.vocabulary import END, OPEN_TEXT, OPEN_TYPE, TRANSCRIPT_END, Vocabulary

Scores = NDArray[np.float32]
PROGRESS = 2
"""Power of the part of a phrase that is written, by which its weight is earned."""
RARE = 4
"""Tokens from which on the whole weight of a phrase counts: the model knows what it writes in fewer."""
ENDS = -1
"""The key of the tokens that end at a node of `Vocabulary.byte_trie`."""


@dataclass(frozen=True)
class Steps:
    """The tokens `[n]` that lead on from a node, the largest weight behind each, and the nodes."""

    ids: NDArray[np.int64]
    weights: Scores
    shares: Scores
    """As `Node.share`."""
    words: NDArray[np.bool_]
    """Whether the token begins a word."""
    nodes: Mapping[int, Node]

    @classmethod
    def of(cls, nodes: Mapping[int, Node], inner: Collection[int] = ()) -> Steps:
        """The steps to `nodes`, by token; `inner`: tokens that do not begin a word."""
        found, count = nodes.values(), len(nodes)
        weights = np.fromiter((node.weight for node in found), np.float32, count)
        shares = np.fromiter((node.share for node in found), np.float32, count)
        words = np.fromiter((token not in inner for token in nodes), np.bool_, count)
        return cls(np.fromiter(nodes, np.int64, count), weights, shares, words, nodes)


class Node:
    """The phrases that begin with the same `depth` bytes."""

    def __init__(self, phrases: _Sorted, low: int, high: int, depth: int) -> None:
        self._phrases, self._low, self._high, self._depth = phrases, low, high, depth
        self.weight = float(phrases.weights[low:high].max())
        """The largest weight among them, as far as it counts."""
        written = depth / phrases.lengths[low:high]
        self.share = float((phrases.weights[low:high] * written**PROGRESS).max())
        """The largest share of a weight earned here: with half of a phrase a quarter of its weight."""
        self.phrase: Phrase | None = phrases.phrases[low] if len(phrases.texts[low]) == depth else None
        """The one that is complete here."""
        self.own = float(phrases.weights[low])
        """The weight of that one, as far as it counts."""
        self.open_ended = self.phrase is not None and unspaced(self.phrase.text[-1])
        """Whether a phrase ends here behind which a word may go on without a blank."""

    @cached_property
    def steps(self) -> Steps:
        """The steps from this node."""
        return self._phrases.steps(self._low, self._high, self._depth)


class Cursor(NamedTuple):
    """How far a phrase is written, and what may follow."""

    node: Node | None = None
    """None outside a phrase."""
    within: bool = False
    """Whether the last character is a letter or a digit, so that no word begins without a blank."""
    naming: bool = False
    """Whether the name of an open type is being written."""


class _Sorted:
    """Phrases in the order of their bytes."""

    def __init__(
        self,
        phrases: Mapping[str, Phrase],
        rarity: Mapping[str, float],
        trie: Mapping[int, Any],
        inner: Collection[int],
    ) -> None:
        """`rarity`: the share of a text's weight that counts. `trie`: the tokens by their bytes.

        `inner`: tokens that do not begin a word.
        """
        encoded = sorted((text.encode(), rarity[text], phrase) for text, phrase in phrases.items())
        self.texts = [text for text, *_ in encoded]
        self.phrases = [phrase for *_, phrase in encoded]
        weights = (share * phrase.weight for _, share, phrase in encoded)
        self.weights = np.fromiter(weights, np.float32, len(encoded))
        self.lengths = np.fromiter((len(text) for text in self.texts), np.float32, len(encoded))
        self._trie, self._inner = trie, inner
        self._nodes: dict[tuple[int, int, int], Node] = {}

    def begins(self, lead: bytes = b"") -> dict[int, Node]:
        """The nodes below the root, by token; `lead`: bytes that a token has before those of a phrase."""
        trie = self._trie
        for byte in lead:
            trie = trie.get(byte, {})
        below = {byte: node for byte, node in trie.items() if byte != ENDS}
        return self._walk(below, 0, len(self.texts), 0)

    def steps(self, low: int, high: int, depth: int) -> Steps:
        """The steps from a range of texts with the same `depth` bytes."""
        return Steps.of(self._walk(self._trie, low, high, depth), self._inner)

    def _walk(self, trie: Mapping[int, Any], low: int, high: int, depth: int) -> dict[int, Node]:
        """Tokens and phrases, walked together."""
        found: dict[int, Node] = {}
        stack = [(trie, low, high, depth)]
        while stack:
            below, low, high, depth = stack.pop()
            tokens = below.get(ENDS)
            if tokens:
                node = self._node(low, high, depth)
                found |= dict.fromkeys(tokens, node)
            if low < high and len(self.texts[low]) == depth:  # it is complete here
                low += 1
            while low < high:
                text = self.texts[low]
                last = low + 1
                if last < high and self.texts[high - 1][depth] == text[depth]:
                    last = high
                elif last < high:
                    last = bisect_left(self.texts, text[:depth] + bytes((text[depth] + 1,)), last, high)
                if text[depth] in below:
                    stack.append((below[text[depth]], low, last, depth + 1))
                low = last
        return found

    def _node(self, low: int, high: int, depth: int) -> Node:
        key = (low, high, depth)
        node = self._nodes.get(key)
        if node is None:
            node = self._nodes[key] = Node(self, low, high, depth)
        return node


class PhraseTree:
    """The tree of a list of phrases over the tokens of a vocabulary."""

    def __init__(self, phrases: Sequence[Phrase], vocabulary: Vocabulary) -> None:
        """Of equal spellings the strongest phrase counts; given spellings go before derived ones."""
        content = vocabulary.tokenizer.text_bytes
        spelled = _spelled(phrases)
        encode = vocabulary.tokenizer.encode
        rarity = {text: min(1.0, len(encode(f" {text}")) / RARE) for text in spelled}
        self._continues = frozenset(token for token, text in content.items() if _in_word(text[0]))
        every = _Sorted(spelled, rarity, vocabulary.byte_trie, self._continues)
        scripts = {text: phrase for text, phrase in spelled.items() if unspaced(text[0])}
        anywhere = _Sorted(scripts, rarity, vocabulary.byte_trie, self._continues)
        blank = every.begins(b" ")
        self._at_edge = Steps.of(every.begins() | blank)
        self._inside = Steps.of(anywhere.begins() | blank)
        ids = vocabulary.ids
        self._naming, self._named = ids.get(OPEN_TYPE), ids.get(OPEN_TEXT)
        self.text = frozenset(content)
        """The tokens that are text."""
        self.ends = frozenset(ids[name] for name in (END, TRANSCRIPT_END) if name in ids)
        """The tokens that end a transcript."""
        self.marks = frozenset(token for token in self.text - self._continues if content[token][:1] != b" ")
        """The tokens that write a mark behind a word."""
        self._within = frozenset(token for token, text in content.items() if _in_word(text[-1]))
        self.leaving = np.array(sorted(self.text | self.ends), np.int64)
        """The tokens with which a phrase goes on or ends."""
        self.parting = np.array(sorted((self.text - self._continues) | self.ends), np.int64)
        """Those of them before which a word ends."""

    def begins(self, at: Cursor) -> Steps:
        """The tokens that begin a phrase: after a letter or a digit only those with a blank before it."""
        return self._inside if at.within else self._at_edge

    def completes(self, at: Cursor, token: int) -> bool:
        """Whether a phrase is whole, `token` being next."""
        node = at.node
        if node is None or node.phrase is None:
            return False
        return node.open_ended or token not in self._continues

    def advance(self, at: Cursor, token: int) -> Cursor:
        """After one more token. Control tokens stand between words; the names of open types are no words."""
        if token not in self.text or at.naming:
            return at._replace(naming=token == self._naming or (at.naming and token != self._named))
        node = None if at.node is None else at.node.steps.nodes.get(token)
        return Cursor(node or self.begins(at).nodes.get(token), token in self._within)

    def find(self, ids: Sequence[int]) -> list[tuple[int, int, Phrase]]:
        """The phrases in a sequence: (first, end, phrase) in their order, the longest from a place."""
        found: list[tuple[int, int, Phrase]] = []
        at, start = Cursor(), 0
        for place, token in enumerate([*ids, min(self.ends)]):
            if self.completes(at, token):
                assert at.node is not None and at.node.phrase is not None
                if found and found[-1][0] == start:
                    found.pop()
                found.append((start, place, at.node.phrase))
            following = self.advance(at, token)
            if following.node is not None and token in self.text:
                goes_on = at.node is not None and following.node is at.node.steps.nodes.get(token)
                start = start if goes_on else place
            at = following
        return found


def _spelled(phrases: Iterable[Phrase]) -> dict[str, Phrase]:
    given: dict[str, Phrase] = {}
    derived: dict[str, Phrase] = {}
    for phrase in phrases:
        own, *others = spellings(phrase.text)
        for found, text in ((given, own), *((derived, other) for other in others)):
            if text not in found or found[text].weight < phrase.weight:
                found[text] = phrase
    return derived | given


def _in_word(byte: int) -> bool:
    """Whether a byte is (part of) a letter or a digit; everything outside ASCII is taken for one."""
    return byte >= 0x80 or chr(byte).isalnum()
