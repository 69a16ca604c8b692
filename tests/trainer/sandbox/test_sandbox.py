"""Hostile programs: each is marked as failed, nothing is left behind, and the next one runs.

A watchdog ends the test process if a program escapes its limits.
"""

import faulthandler
import os
import socket
import subprocess
import sys
import sysconfig
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from manifests.errors import UsageError
from trainer.sandbox.limits import MEGABYTE, Limits
from trainer.sandbox.sandbox import Sandbox

LIMITS = Limits(cpu_seconds=1, memory=256 * MEGABYTE)
WATCHDOG = 60


def available() -> str:
    """Return why this system runs no sandbox, or an empty text."""
    try:
        Sandbox(workers=1).close()
    except UsageError as error:
        return str(error)
    return ""


pytestmark = pytest.mark.skipif(bool(reason := available()), reason=reason)


@pytest.fixture(scope="module", autouse=True)
def watchdog():
    faulthandler.dump_traceback_later(WATCHDOG, exit=True)
    yield
    faulthandler.cancel_dump_traceback_later()


@pytest.fixture(scope="module")
def sandbox():
    with Sandbox(LIMITS, workers=1) as made:
        yield made


@pytest.fixture(scope="module")
def brief():
    """A sandbox whose wall clock ends before the CPU time."""
    with Sandbox(replace(LIMITS, wall_seconds=0.3), workers=1) as made:
        yield made


@pytest.fixture
def cores():
    """The cores of this process, which it may use again after the test."""
    cores = os.sched_getaffinity(0)
    yield cores
    os.sched_setaffinity(0, cores)


def result(sandbox: Sandbox, program: str) -> str:
    """Return the result of a program, after a check that an honest one still passes."""
    [verdict, honest] = sandbox.run([program, "import math\nassert math.pi > 3"])
    assert honest.result == "passed"
    return verdict.result


def processes() -> int:
    """Return the number of processes of this machine that run as one of the sandbox's users."""
    users = 0
    for name in filter(str.isdigit, os.listdir("/proc")):
        with suppress(FileNotFoundError):  # it has ended meanwhile
            users += 1_900_000_000 <= os.stat(f"/proc/{name}").st_uid < 2_000_000_000
    return users


@pytest.mark.parametrize(
    ("program", "expected"),
    [
        ("assert 1 + 1 == 2", "passed"),
        (
            "from typing import List\ndef f(x: List[int]) -> int: return x[0]\nassert f([1]) == 1",
            "passed",
        ),
        ("assert 1 + 1 == 3, 'wrong'", "failed: AssertionError: wrong"),
        ("def f(:", "failed: SyntaxError: invalid syntax (<program>, line 1)"),
        ("open('a', 'w').write('x')\nassert open('a').read() == 'x'", "passed"),
        ("import os\nassert os.listdir('.') == []", "passed"),  # not even the file before
        ("input()", "failed: EOFError: EOF when reading a line"),
        ("def f(): f()\nf()", "failed: RecursionError: maximum recursion depth exceeded"),
    ],
)
def test_a_program_is_judged_by_whether_it_reaches_its_end(sandbox, program, expected) -> None:
    assert result(sandbox, program) == expected


@pytest.mark.parametrize(
    "program",
    [
        "import sys\nsys.exit(0)",
        "import os\nos._exit(0)",
        "raise SystemExit",
        "import os\nprint('passed', flush=True)\nos.write(1, b'passed')\nos._exit(0)",
        "import os\nos.write(3, b'passed')\nos._exit(0)",
        "import os\nos.write(3, b'passed')",  # the harness's own report follows, and is spoiled
        "import os\nos.close(3)",
        "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)",
        "import os\nos.abort()",
        "class E(BaseException):\n def __str__(self): raise self\nraise E",
        "import os\nif os.fork(): os._exit(0)",
        "import os\nos.write = os._exit = print\nassert False",
    ],
)
def test_no_exit_before_the_end_passes(sandbox, program) -> None:
    assert result(sandbox, program).startswith("failed: ")


def test_a_program_may_close_its_output_and_ignore_signals(sandbox) -> None:
    closing = "import os, signal\nos.close(0); os.close(1); os.close(2)\nprint('x' * 10, file=None)"
    assert result(sandbox, "import os\nos.close(1); os.close(2)") == "passed"
    assert result(sandbox, closing).startswith(("failed: OSError", "passed"))


def test_cpu_time_ends_a_program_that_ignores_signals(sandbox) -> None:
    program = (
        "import signal\n"
        "for number in (1, 2, 15, 24): signal.signal(number, signal.SIG_IGN)\n"
        "while True: print('x' * 4096)"  # endless output, too
    )
    [verdict] = sandbox.run([program])
    assert verdict.result == "timed out"
    assert 0.9 < verdict.cpu_seconds < 1.3


@pytest.mark.parametrize(
    "program",
    [
        "import time\ntime.sleep(1000)",
        "import os\nwhile True: os.write(3, b'x')",
        "import os\nwhile True:\n try: os.fork()\n except OSError: pass",
    ],
)
def test_the_wall_clock_ends_what_cpu_time_does_not(brief, program) -> None:
    start = time.monotonic()
    assert result(brief, program) == "timed out"
    assert time.monotonic() - start < 10
    assert processes() == 0


@pytest.mark.parametrize(
    ("program", "error"),
    [
        ("x = bytearray(10 << 30)", "MemoryError"),
        ("x = []\nwhile True: x.append(bytearray(1 << 20))", "MemoryError"),
        ("open('a', 'wb').write(bytes(9 << 20))", "OSError: [Errno 27]"),  # or signal 25
        ("for n in range(9): open(str(n), 'wb').write(bytes(4 << 20))", "OSError: [Errno 28]"),
        ("x = [open('/dev/null') for _ in range(200)]", "OSError: [Errno 24]"),
        ("import os\nfor _ in range(50):\n if not os.fork(): os.pause()", "BlockingIOError"),
        (
            "import threading, time\n"
            "for _ in range(50): threading.Thread(target=time.sleep, args=(99,)).start()",
            "RuntimeError: can't start new thread",
        ),
    ],
)
def test_memory_files_and_processes_are_limited(sandbox, program, error) -> None:
    program = program.replace("os.pause()", "__import__('signal').pause()")
    assert result(sandbox, program).startswith((f"failed: {error}", "failed: ended by signal 25"))


def test_a_daemon_is_killed(sandbox) -> None:
    daemon = (
        "import os, signal, time\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "if not os.fork():\n os.setsid()\n if not os.fork(): time.sleep(1000)\n os._exit(0)"
    )
    assert result(sandbox, daemon) == "passed"
    assert processes() == 0


def test_a_deep_recursion_ends(sandbox) -> None:
    deep = "import sys\nsys.setrecursionlimit(10**9)\n"
    deep += "class A:\n def __repr__(self): return repr(self)\nrepr(A())"
    assert result(sandbox, deep).startswith(("failed: ", "timed out"))
    assert result(
        sandbox,
        "import sys\nsys.setrecursionlimit(200_000)\ndef f(n): return n and f(n - 1)\nf(100_000)",
    ).startswith(("failed: ", "passed"))


@pytest.mark.parametrize(
    "program",
    [
        f"open({__file__!r})",
        "open('/etc/passwd')",
        "open('/proc/1/environ')",
        "open('/proc/self/status')",
        "open('/written', 'w')",
        "open('/usr/written', 'w')",
        "open('/dev/shm/written', 'w')",
        "import os\nos.chmod('/usr', 0o777)",
        "import os\nos.mknod('disk', 0o60600, os.makedev(8, 0))",
        "import os\nos.setuid(1 if os.getuid() == 0 else 0)",
        "import os\nos.setresuid(1, 0, 2)",
        "import os\nos.setgroups([0])",
        "import os\nos.chroot('.')",
        "import os\nos.kill(1, 9)\nos.kill(1, 2)\nos.kill(1, 15)\nos.kill(2**22, 9)",
        "import os\nos.kill(-1, 9)\nassert False",
        "import os\nos.nice(-5)",
        "import resource\nresource.setrlimit(resource.RLIMIT_CPU, (-1, -1))",
        "import resource\nresource.prlimit(1, resource.RLIMIT_NOFILE, (0, 0))",
        "import socket\nsocket.socket(socket.AF_UNIX).connect('/run/dbus/system_bus_socket')",
        "import ctypes\nassert ctypes.CDLL(None).ptrace(16, 1, 0, 0) == 0",
        "import ctypes\nassert ctypes.CDLL(None).unshare(0x10000000) == 0",
        "import ctypes\nassert ctypes.CDLL(None).mount(b'none', b'/scratch', b'tmpfs', 0, 0) == 0",
        "import ctypes\nassert ctypes.CDLL(None).umount2(b'/scratch', 2) == 0",
        "import ctypes\nassert ctypes.CDLL(None).shmget(7, 4096, 0o1600) != -1",
        "import ctypes\nassert ctypes.CDLL(None).msgget(7, 0o1600) != -1",
        "import ctypes\nassert ctypes.CDLL(None).semget(7, 1, 0o1600) != -1",
        "import os\nos.memfd_create('file')",
        "import subprocess\nsubprocess.run(['/usr/bin/su', '-c', 'id'], check=True)",
    ],
)
def test_what_is_outside_is_out_of_reach(sandbox, program) -> None:
    assert result(sandbox, program).startswith("failed: ")


def test_as_many_programs_run_as_this_process_may_use_cores(cores) -> None:
    os.sched_setaffinity(0, {min(cores)})
    with Sandbox(LIMITS) as made:
        assert made.workers == 1


def test_packages_may_be_installed_below_tmp(tmp_path: Path, monkeypatch) -> None:
    (tmp_path / "package").mkdir()
    (tmp_path / "package/__init__.py").write_text("number = 3\n")
    paths = {name: sysconfig.get_path(name) for name in sysconfig.get_path_names()}
    paths["purelib"] = str(tmp_path)
    monkeypatch.setattr(sysconfig, "get_path", lambda name, **_: paths[name])
    monkeypatch.syspath_prepend(str(tmp_path))
    with Sandbox(LIMITS, workers=1, packages=("package",)) as made:
        assert result(made, "import package\nassert package.number == 3") == "passed"


def test_a_file_of_the_caller_cannot_be_read(sandbox, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("x")
    tmp_path.chmod(0o755)
    assert "No such file" in result(sandbox, f"open({str(secret)!r})")


def test_nothing_is_inherited(sandbox, monkeypatch) -> None:
    program = (
        "import os\n"
        "assert set(os.environ) <= {'PATH', 'PYTHONHASHSEED', 'OPENBLAS_NUM_THREADS', 'LC_CTYPE',\n"
        "                           'OMP_WAIT_POLICY'}\n"
        "for number in range(4, 4096):\n"
        "    try: os.fstat(number)\n"
        "    except OSError: continue\n"
        "    assert False, number\n"
        "import sys\nassert not any('site-packages' in path for path in sys.path)\n"
        "assert not any(os.path.isdir(path) and os.access(path, os.W_OK) for path in ('/', '/usr'))"
    )
    assert result(sandbox, program) == "passed"


def test_there_is_no_network(sandbox) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        program = f"import socket\nsocket.create_connection(('127.0.0.1', {port}), 0.2)"
        assert result(sandbox, program).startswith(("failed: OSError", "failed: PermissionError"))


def test_the_hash_seed_and_random_numbers_are_the_same_each_time(sandbox) -> None:
    program = "import random\nassert False, (hash('a'), random.random())"
    assert result(sandbox, program) == result(sandbox, program)


def test_verdicts_come_in_the_order_of_the_programs(sandbox) -> None:
    programs = [f"assert False, {number}" for number in range(20)]
    with Sandbox(LIMITS, workers=3) as three:
        got = [verdict.result for verdict in three.run(programs)]
    assert got == [f"failed: AssertionError: {number}" for number in range(20)]


def test_a_supervisor_that_is_killed_is_replaced(sandbox) -> None:
    for supervisor in list(sandbox._supervisors):
        supervisor._process.kill()
    assert result(sandbox, "assert True") == "passed"


def test_what_is_enforced_and_what_is_not_is_listed(sandbox) -> None:
    made = sandbox.enforcement
    assert any("network" in line for line in [*made.enforced, *made.not_enforced])
    assert any("268 MB of memory" in line for line in made.enforced)
    assert any("tests' independence" in line for line in made.not_enforced)


def test_nothing_is_left_when_the_caller_is_killed(tmp_path: Path) -> None:
    code = (
        "from trainer.sandbox.sandbox import Sandbox\n"
        "import sys\nbox = Sandbox(workers=1)\nprint('ready', flush=True)\n"
        "list(box.run(['import time\\ntime.sleep(1000)']))"
    )
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert process.stdout and process.stdout.readline() == "ready\n"
    process.kill()
    process.communicate()
    end = time.monotonic() + 5
    while processes() and time.monotonic() < end:
        os.sched_yield()
    assert processes() == 0


def test_an_unprivileged_callers_programs_are_confined_too() -> None:
    code = (
        "from trainer.sandbox.sandbox import Sandbox\n"
        "with Sandbox(workers=1) as box:\n"
        "    assert 'user namespace' in box.enforcement.enforced[0], box.enforcement\n"
        "    programs = ['assert True', 'import os; os.setuid(1)', 'open(\"/proc/1/mem\")']\n"
        "    print(*(verdict.passed for verdict in box.run(programs)))"
    )

    def call(code: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["/usr/bin/python3", "-B", "-c", code],
            user=54321,
            group=54321,
            extra_groups=[],
            cwd="/",
            env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(Path(__file__).parents[3])},
            capture_output=True,
            text=True,
            check=False,
        )

    if (
        os.geteuid()
        or call("import sys, trainer.sandbox\nassert sys.version_info > (3, 11)").returncode
    ):
        pytest.skip("needs root, and a Python that another user can start")
    done = call(code)
    assert done.stdout == "True False False\n", done.stderr


def test_a_system_without_unshare_is_refused(monkeypatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(UsageError, match="`unshare` is not installed"):
        Sandbox(workers=1)


def test_the_sandbox_never_imports_torch() -> None:
    code = "import sys, trainer.sandbox.sandbox\nassert not {'torch', 'numpy'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
