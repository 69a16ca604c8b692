"""What the jobs share.

- step: the base class of a step, its receipts and dead letters; does not import Beam.
- job: Beam transforms from rows of a table of parts to receipts, and `Job`, which runs them.
- outcomes: which rows are done. probe: whether workers share the driver's directory.
- processes, fork_server: worker processes beneath Beam's in-process engine.
- runners: Beam's engines. beam_options: unknown options, and options that hand a job over. cluster:
  options that fill the machines.
- progress: progress bars. quiet: no log messages of Beam.
"""
