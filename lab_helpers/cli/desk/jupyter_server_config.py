"""Terminals on this desk are no login shells.

Where JupyterLab's own output is no terminal (in an image, on Binder, with a log file) it would start login shells, and
on many systems ``/etc/profile`` sets PATH anew: kubectl, hubble and the other tools of the labs would be gone.
"""  # noqa: INP001 - JupyterLab reads this file, nobody imports it

import os
import shutil

if os.name != "nt":
    shell = os.environ.get("SHELL") or shutil.which("bash") or shutil.which("sh")
    settings = get_config()  # type: ignore[name-defined]  # noqa: F821 - given by JupyterLab
    settings.ServerApp.terminado_settings = {"shell_command": [shell]}
