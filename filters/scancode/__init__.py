"""The license that a file names itself: legal passages, ScanCode's detection, and the header veto.

- veto: the statements of a file, and whether a policy denies one of them.
- words, passages, normalize: from a file to the texts that ScanCode reads, in this order.
- client: a worker's connection to the machine's detector; starts the server.
- server, preload: the machine's detector, one process that all workers share.
- cache: texts that were detected before.
- detector: ScanCode in this process.
- candidates: ScanCode's ranking of rules, made faster; depends on the inside of ScanCode.
"""
