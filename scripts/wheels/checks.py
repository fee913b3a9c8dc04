"""What must hold for a wheel that nobody here can run, and for all others as well."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from elftools.elf.elffile import ELFFile

from .targets import Target

MUSL = Path("/lib/ld-musl-x86_64.so.1")  # Debian's package musl: both C library and loader


def digest(path: Path) -> str:
    """The file's SHA-256."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def twine(files: list[Path]) -> None:
    """Let twine look at names and metadata."""
    subprocess.run([sys.executable, "-m", "twine", "check", "--strict", *map(str, files)], check=True)


def check(wheel: Path, target: Target) -> list[str]:
    """Everything that is wrong with a wheel."""
    wrong = []
    with tempfile.TemporaryDirectory() as folder, zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
        modules = sorted(Path(folder).rglob("*.so"))
        if not modules:
            wrong.append("has no extension module")
        for module in modules:
            wrong += [f"{module.name}: {text}" for text in check_module(module, target)]
        (document,) = Path(folder).glob("*.dist-info/sboms/*.cdx.json")
        text = document.read_text()
        error = JsonStrictValidator(SchemaVersion.V1_6).validate_str(text)
        if error is not None:
            wrong.append(f"its bill of materials is no CycloneDX 1.6: {error}")
        if json.loads(text)["metadata"]["component"]["version"] != wheel.name.split("-")[1]:
            wrong.append("its bill of materials is of another version")
    shown = subprocess.run([sys.executable, "-m", "auditwheel", "show", str(wheel)], capture_output=True, text=True)
    if shown.returncode:
        wrong.append(f"auditwheel: {shown.stderr.strip()}")
    elif target.library == "gnu" and "manylinux_2_" not in shown.stdout:
        wrong.append(f"auditwheel finds no manylinux: {shown.stdout.strip()}")
    return wrong


def check_module(path: Path, target: Target) -> list[str]:
    """Everything that is wrong with an extension module, as far as its ELF file tells."""
    wrong = []
    with path.open("rb") as file:
        elf = ELFFile(file)
        machine = {"EM_X86_64": "x86_64", "EM_AARCH64": "aarch64"}[elf["e_machine"]]
        sections = {section.name for section in elf.iter_sections()}
        names = {symbol.name: symbol for symbol in elf.get_section_by_name(".dynsym").iter_symbols()}
    if machine != target.machine:
        wrong.append(f"is for {machine}")
    if sections & {".symtab", ".debug_info"}:
        wrong.append("has debug symbols")
    if str(Path.home()).encode() in path.read_bytes():
        wrong.append("names a path of this machine")
    undefined = {name for name, symbol in names.items() if name and symbol["st_shndx"] == "SHN_UNDEF"}
    if target.library == "musl":
        # What neither Python nor musl has would fail at import; the two machines have the same names in musl.
        strange = {
            name for name in undefined - musl_names() if not name.startswith(("Py", "_Py", "_ITM", "__cxa", "__gmon"))
        }
        if strange:
            wrong.append(f"uses what musl does not have: {', '.join(sorted(strange))}")
    return wrong


def musl_names() -> set[str]:
    """What musl defines.

    Raises:
        FileNotFoundError: musl is not installed: scripts/debian_packages.sh dist.
    """
    with MUSL.open("rb") as file:
        symbols = ELFFile(file).get_section_by_name(".dynsym").iter_symbols()
        return {symbol.name for symbol in symbols if symbol["st_shndx"] != "SHN_UNDEF"}
