"""The sandbox: runs Python programs that a model wrote, which may be hostile. No torch.

sandbox is what callers use. It starts supervisors (launch), each of which is the first process of
its own pid namespace, sees a root of its own (root), and forks one child for each program. The
child gives up what it may do (confinement, with the kernel calls of kernel and the system call
filter of system_calls) before it executes the program (program). limits has the limits, and
enforcement says what this system enforces and what it does not. docs/evaluation.md describes it.
"""
