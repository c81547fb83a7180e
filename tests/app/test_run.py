"""A process of the platform makes itself at home on a machine as it comes."""

import resource
import subprocess
import sys

SHELL = """
import resource
from boxoffice.run import allow_open_files
resource.setrlimit(resource.RLIMIT_NOFILE, (256, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
allow_open_files()
print(resource.getrlimit(resource.RLIMIT_NOFILE)[0])
"""


def test_a_process_takes_as_many_connections_as_it_is_let_not_what_a_shell_gives() -> None:
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]

    allowed = int(subprocess.run([sys.executable, "-c", SHELL], check=True, capture_output=True, text=True).stdout)

    assert allowed > 256
    assert hard == resource.RLIM_INFINITY or allowed <= hard
