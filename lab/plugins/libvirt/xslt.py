"""The user's XML overlay: a stylesheet that ``xsltproc`` applies to the XML we generate, as the real plugin runs
it."""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path
from typing import Any, Final

from lab.plugins.errors import PluginError
from lab.plugins.wire import Properties

_SECONDS: Final = 60


def overlay(xml: str, inputs: Properties) -> str:
    """Returns the XML after ``xml.xslt`` of the inputs, or unchanged where there is none. Raises PluginError."""
    stylesheet: Any = (inputs.get("xml") or {}).get("xslt")
    if not stylesheet:
        return xml
    with tempfile.TemporaryDirectory(prefix="pulumi-libvirt-") as folder:
        sheet, document = Path(folder, "overlay.xslt"), Path(folder, "document.xml")
        sheet.write_text(str(stylesheet).strip(), encoding="utf-8")
        document.write_text(xml, encoding="utf-8")
        command = ["xsltproc", "--nomkdir", "--nonet", "--nowrite", str(sheet), str(document)]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS, check=False)
        except FileNotFoundError as error:
            raise PluginError(
                "error applying XSLT stylesheet: xsltproc is not installed (Debian package xsltproc)"
            ) from error
        except subprocess.TimeoutExpired as error:
            raise PluginError(f"error applying XSLT stylesheet: xsltproc took more than {_SECONDS} s") from error
    if done.returncode != 0:
        reason = done.stderr.strip().replace(str(sheet), "xml.xslt").replace(str(document), "the generated XML")
        raise PluginError(f"error applying XSLT stylesheet: {reason}")
    return done.stdout
