"""Running bean-check and hledger on a file."""

import subprocess
from pathlib import Path

from msgspec import Struct


class Tools(Struct, frozen=True, kw_only=True):
    """Where the programs are."""

    bean_check: Path
    hledger: Path

    def complaint_of(self, form: str, file: Path) -> str | None:
        """What the tool says against a file; None when it accepts it without a word."""
        commands = {
            "beancount": [self.bean_check, "--no-cache", file],
            "hledger": [self.hledger, "-f", file, "check", "-s", "ordereddates", "payees"],
        }
        found = subprocess.run(commands[form], capture_output=True, text=True, timeout=500)
        said = (found.stdout + found.stderr).strip()
        if not found.returncode and not said:
            return None
        return said or f"exit code {found.returncode}"

    def require(self, form: str, file: Path) -> None:
        """The tool accepts the file."""
        complaint = self.complaint_of(form, file)
        assert complaint is None, f"{form} says: {complaint[:3000]}"
