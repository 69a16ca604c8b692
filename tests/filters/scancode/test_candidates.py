import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from licensedcode.cache import get_index
from licensedcode.index import LicenseIndex

from filters.scancode.candidates import FastIndex, _rounded
from filters.scancode.detector import accelerated, scancode_index

GPL = (
    "This program is free software; you can redistribute it and/or modify it under the terms of "
    "the GNU {} General Public License as published by the Free Software Foundation; {}"
)
MIT = (
    "Permission is hereby granted, free of charge, to {} obtaining a copy of this software and "
    "associated documentation files (the Software), to deal in the Software without restriction, "
    "including without limitation the rights to use, copy, modify, {}, and to permit persons to "
    "whom the Software is furnished to do so, subject to the following conditions: {}"
)
BSD = (
    "Redistribution and use in source and binary forms, {} modification, are permitted provided "
    "that the following conditions are met: 1. Redistributions of {} code must retain the above "
    "copyright notice, this list of conditions and the following disclaimer. 2. {}\n"
)
TEXTS = [
    GPL.format("Lesser", "either version 2.1 of it, or whatever later version you like best."),
    GPL.format("", "version 7 only, as nobody knows it; see the file that came with it."),
    MIT.format("any person", "merge, publish, distribute", "the notice shall be included."),
    MIT.format("anybody whatsoever", "burn, publish", "none at all. As is, without warranty."),
    BSD.format("with or without", "source", "Advertising must mention us and our products."),
    BSD.format("without", "secret", "No.") + "\n\n\n\n\n\n" + GPL.format("Affero", "version 3."),
    "int x = f(y);\n" * 40 + "// See the LICENSE file.\n" + "for (;;) { call(me); }\n" * 40,
    "x license gpl mit y " * 30,
    "nothing of the kind",
]


@pytest.mark.parametrize("text", TEXTS)
def test_matches_are_those_of_scancode_itself(text):
    fast, warning = scancode_index()
    assert type(fast) is FastIndex and warning is None
    assert matches(fast, text) == matches(get_index(), text)


def test_texts_are_matched_approximately():
    fast, _ = scancode_index()
    steps = {match[3] for text in TEXTS for match in matches(fast, text)}
    assert steps == {"2-aho", "3-seq"}


class IndexWithoutSets:
    """ScanCode's index after a release that renamed one of its tables."""

    def __init__(self, index):
        self._index = index

    def __getattr__(self, name):
        if name == "sets_by_rid":
            raise AttributeError("'LicenseIndex' object has no attribute 'sets_by_rid'")
        return getattr(self._index, name)


def test_an_index_with_another_inside_is_used_as_it_is_with_a_warning():
    changed = IndexWithoutSets(get_index())
    index, warning = accelerated(changed)
    assert index is changed
    assert re.fullmatch(
        r"ScanCode \S+ differs inside from the versions that Stackpile makes faster, so licenses "
        r"are detected several times slower \('LicenseIndex' object has no attribute "
        r"'sets_by_rid'\)",
        warning or "",
    )


class IndexWithOtherMatches(LicenseIndex):
    """ScanCode's index after a release that matches differently."""

    __slots__ = ()

    def __init__(self, index):
        for name in LicenseIndex.__slots__:
            setattr(self, name, getattr(index, name))

    def match(self, **arguments):
        return []


def test_an_index_with_other_matches_is_used_as_it_is_with_a_warning():
    changed = IndexWithOtherMatches(get_index())
    index, warning = accelerated(changed)
    assert index is changed
    assert warning is not None and warning.endswith("several times slower (other candidates)")


def matches(index, text):
    return [
        (match.rule.identifier, match.score(), match.qspan, match.matcher)
        for match in index.match(query_string=text)
    ]


@given(st.lists(st.integers(0, 2000).map(lambda n: n / 20) | st.floats(0, 1), min_size=1))
def test_rounded_as_python_does(values):
    assert _rounded(np.array(values)).tolist() == [round(value, 1) for value in values]
