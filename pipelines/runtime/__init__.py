"""What the jobs share.

- step: the protocol of a step, its receipts and dead letters; does not import Beam.
- table: tables of parts.
- job: Beam transforms from rows of a table of parts to receipts, and `Job`, which runs them.
- processes, fork_server: worker processes beneath Beam's in-process engine.
- runners: Beam's engines and their options.
- progress: progress bars.
"""
