"""Which documents are code: the published thresholds for code are wrong for prose."""

import re

CODE_KINDS = frozenset({"the-stack", "the-stack-v2", "starcoderdata"})
"""Kinds of sources that hold files of repositories, whatever their component."""

PROSE = frozenset({"text", "markdown", "restructuredtext", "asciidoc", "org", "textile", "tex"})
"""Components of those kinds that are prose; a paragraph of it is often one line."""

LONG_LINES = PROSE | {
    "bluespec",
    "cmake",
    "json",
    "mathematica",
    "matlab",
    "r",
    "rmarkdown",
    "sql",
    "stata",
}
"""Components whose lines have no limit (bigcode-dataset preprocessing/visual_inspection.csv,
`Long_line_threshold` "remove" or blank for the main extension of a language)."""

LOW_ALPHANUMERIC = frozenset({"sas"})
"""Components without a least share of letters and digits (the same table)."""

PILE_CODE = frozenset({"github"})
"""Sets of the Pile that hold source code."""

LANGUAGES = frozenset(
    re.findall(
        r"\S+",
        """
        ada agda alloy antlr applescript assembly augeas awk batchfile bison bluespec c c-sharp
        cpp clojure cmake coffeescript common-lisp css cuda dart dockerfile elixir elm
        emacs-lisp erlang f-sharp fortran glsl go groovy haskell html idris isabelle java
        java-server-pages javascript json julia kotlin lean literate-agda literate-coffeescript
        literate-haskell lua makefile maple markdown mathematica matlab ocaml pascal perl php
        powershell prolog protocol-buffer python r racket restructuredtext rmarkdown ruby rust
        sas scala scheme shell smalltalk solidity sparql sql stan standard-ml stata
        systemverilog tcl tcsh tex thrift typescript verilog vhdl visual-basic xslt yacc yaml
        zig
        """,
    )
)
"""The languages of that table: how code is known in a `parquet` or `jsonl` source."""


def is_code(kind: str, component: str) -> bool:
    """Tell whether a document is source code, from its source's kind and its component's slug."""
    if kind in CODE_KINDS:
        return True
    return component in (PILE_CODE if kind == "the-pile" else LANGUAGES)
